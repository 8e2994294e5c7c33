"""When cron lines fire: the rules of `schedule/times.rs` once more, by brute force and with other tools.

Reads one JSON object a line from standard input, and answers each with one line:

    {"line": "30 2 * * *", "zone": "Europe/Berlin", "after": ms, "until": ms, "count": 5}
        -> {"fires": [ms, ...]}         after < time <= until, `count` at most
    {"zone": "Europe/Berlin", "from": s, "until": s}
        -> {"changes": [s, ...]}        when the offset changes, in UTC seconds
"""

import json
import sys
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo

UTC = timezone.utc
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
WEEKDAYS = "SUN MON TUE WED THU FRI SAT".split()
NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@hourly": "0 * * * *",
}


def expand(item, low, high, names=(), first=0):
    """The values of one item between commas."""
    body, _, step = item.partition("/")

    def value(text):
        return names.index(text) + first if text in names else int(text)

    if body in ("*", "?"):
        start, end = low, high
    elif "-" in body:
        left, right = body.split("-")
        start, end = value(left), value(right)
        if names is WEEKDAYS and right == "SUN":
            end = 7
    else:
        start = end = value(body)
    return range(start, end + 1, int(step or 1))


class Line:
    """The fields, as sets and as tests of a date."""

    def __init__(self, text):
        fields = NICKNAMES.get(text, text).upper().split()
        if len(fields) == 5:
            fields.insert(0, "0")
        second, minute, hour, day, month, weekday = fields
        self.seconds = sorted({v for i in second.split(",") for v in expand(i, 0, 59)})
        self.minutes = {v for i in minute.split(",") for v in expand(i, 0, 59)}
        self.hours = {v for i in hour.split(",") for v in expand(i, 0, 23)}
        self.months = {v for i in month.split(",") for v in expand(i, 1, 12, MONTHS, 1)}
        self.both = weekday.startswith("+")
        self.day_items = day.split(",")
        self.weekday_items = weekday.lstrip("+").split(",")
        self.any_day = day in ("*", "?")
        self.any_weekday = weekday.lstrip("+") in ("*", "?")
        self.days = {}

    def fires_on(self, day):
        if day not in self.days:
            self.days[day] = day.month in self.months and self.day_fits(day)
        return self.days[day]

    def day_fits(self, day):
        by_day = any(day_of_month(item, day) for item in self.day_items)
        by_weekday = any(day_of_week(item, day) for item in self.weekday_items)
        if self.any_day or self.any_weekday or self.both:
            return by_day and by_weekday
        return by_day or by_weekday


def month_of(day):
    """All days of the month."""
    first = day.replace(day=1)
    return [d for d in (first + n * DAY for n in range(31)) if d.month == day.month]


def day_of_month(item, day):
    month = month_of(day)
    if item == "L":
        return day == month[-1]
    working = [d for d in month if d.weekday() < 5]
    if item == "LW":
        return day == working[-1]
    if item.endswith("W"):
        number = int(item[:-1])
        if number > len(month):
            return False
        wanted = month[number - 1]
        return day == min(working, key=lambda d: abs((d - wanted).days))
    return day.day in expand(item, 1, 31)


def day_of_week(item, day):
    number = (day.weekday() + 1) % 7
    same = [d for d in month_of(day) if d.weekday() == day.weekday()]
    if item.endswith("L"):
        names = expand(item[:-1].rstrip("#"), 0, 7, WEEKDAYS)
        return number in {v % 7 for v in names} and day == same[-1]
    if "#" in item:
        body, nth = item.split("#")
        return number in {v % 7 for v in expand(body, 0, 7, WEEKDAYS)} and same.index(day) + 1 == int(nth)
    return number in {v % 7 for v in expand(item, 0, 7, WEEKDAYS)}


@lru_cache(maxsize=64)
def minutes_of(zone, day):
    """Each minute that passes while the local date is this one, with its hour and minute by the local clock."""
    zone = ZoneInfo(zone)
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    found = []
    # Local days begin up to 14 hours before UTC's, and end up to 12 hours after.
    for hour in range(-27, 25):
        block = [noon + (60 * hour + minute) * MINUTE for minute in range(60)]
        first, last = block[0].astimezone(zone), block[-1].astimezone(zone)
        # Only to save time: no zone changes twice in one hour, so here the clock goes through it evenly.
        if first.utcoffset() == last.utcoffset() and day not in (first.date(), last.date()):
            continue
        for moment in block:
            local = moment.astimezone(zone)
            if local.date() == day:
                found.append((moment, local.hour, local.minute))
    return found


def as_passing_time(line, zone, day):
    """Every minute that passes counts by what the local clock shows."""
    for moment, hour, minute in minutes_of(zone, day):
        if hour in line.hours and minute in line.minutes:
            for second in line.seconds:
                yield moment + timedelta(seconds=second)


def exists(wall, zone):
    return wall.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=0) == wall


def as_times_of_day(line, zone, day):
    """Every minute of the calendar counts once, whether the clock shows it never, once or twice."""
    zone = ZoneInfo(zone)
    for hour in sorted(line.hours):
        for minute in sorted(line.minutes):
            wall = datetime(day.year, day.month, day.day, hour, minute)
            if exists(wall, zone):
                moment = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
                yield from (moment + timedelta(seconds=second) for second in line.seconds)
                continue
            while not exists(wall, zone):
                wall += MINUTE
            yield wall.replace(tzinfo=zone, fold=0).astimezone(UTC)


def fires(case):
    line, zone = Line(case["line"]), case["zone"]
    after, until, count = case["after"], case["until"], case["count"]
    rule = as_passing_time if len(line.hours) == 24 else as_times_of_day
    local = datetime.fromtimestamp(after // 1000, UTC).astimezone(ZoneInfo(zone))
    # A day before: times of a day that was left out come on the next, and the clock may go back to the day before.
    # For that, too, two days after the last.
    day, found, spare = local.date() - DAY, set(), 2
    while spare and datetime(day.year, day.month, day.day, tzinfo=UTC) - DAY <= moment_of(until):
        if line.fires_on(day):
            for moment in rule(line, zone, day):
                moment = round(moment.timestamp()) * 1000
                if after < moment <= until:
                    found.add(moment)
                    if len(found) >= count and rule is as_passing_time:
                        break
        if len(found) >= count:
            spare -= 1
        day += DAY
    return sorted(found)[:count]


def moment_of(milliseconds):
    return datetime.fromtimestamp(milliseconds // 1000, UTC)


def changes(zone, start, until):
    zone, found = ZoneInfo(zone), []

    def offset(second):
        return datetime.fromtimestamp(second, UTC).astimezone(zone).utcoffset()

    for hour in range(start, until, 3600 * 12):
        if offset(hour) != offset(hour + 3600 * 12):
            # Rules change on whole minutes in the years that are asked for.
            found += [s for s in range(hour + 60, hour + 3600 * 12 + 1, 60) if offset(s - 60) != offset(s)]
    return found


def main():
    for text in sys.stdin:
        case = json.loads(text)
        if "line" in case:
            answer = {"fires": fires(case)}
        else:
            answer = {"changes": changes(case["zone"], case["from"], case["until"])}
        print(json.dumps(answer))


if __name__ == "__main__":
    main()
