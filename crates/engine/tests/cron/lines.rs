//! Zones, and lines to try in them.

/// Zones whose clocks did something of their own between 2000 and 2037, and some that did nothing.
pub(crate) const ZONES: &[&str] = &[
    "UTC",
    "Africa/Cairo",
    "Africa/Casablanca",
    "America/Asuncion",
    "America/Caracas",
    "America/Havana",
    "America/New_York",
    "America/Santiago",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Amman",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Asia/Pyongyang",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Europe/Amsterdam",
    "Europe/Berlin",
    "Europe/London",
    "Pacific/Apia",
    "Pacific/Chatham",
];

/// Lines for the nights on which the clock changes.
pub(crate) const LINES: &[&str] =
    &["30 2 * * *", "@daily", "*/20 * * * *", "5,45 0-3 * * *", "0 */2 * * *", "15 1 ? * SAT,SUN"];

/// Random numbers, the same each time: SplitMix64.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> usize {
        usize::try_from(self.roll() % limit).unwrap()
    }

    pub(crate) fn upto(&mut self, limit: i64) -> i64 {
        i64::try_from(self.roll() % u64::try_from(limit).unwrap()).unwrap()
    }

    pub(crate) fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len() as u64)]
    }

    fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.upto(high - low + 1)
    }
}

/// A line that can be read, though it may never fire.
pub(crate) fn random(dice: &mut Dice) -> String {
    if dice.one_in(25) {
        return dice.pick(&["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@hourly"]).to_owned();
    }
    let mut fields = Vec::new();
    if dice.one_in(5) {
        fields.push(field(dice, 0, 59));
    }
    fields.push(field(dice, 0, 59));
    // Early hours more often than not: that is when clocks change.
    fields.push(match dice.below(4) {
        0 => "*".to_owned(),
        1 => field(dice, 0, 23),
        2 => dice.between(0, 4).to_string(),
        _ => format!("{}-{}", dice.between(0, 1), dice.between(2, 5)),
    });
    fields.push(match dice.below(6) {
        0 => dice.pick(&["L", "LW", "15W", "1W", "31W", "?", "30", "29", "L,15", "1-7"]).to_owned(),
        1 => field(dice, 1, 31),
        _ => "*".to_owned(),
    });
    fields.push(match dice.below(6) {
        0 => dice.pick(&["JAN", "feb", "MAR-OCT", "OCT,NOV", "*/3", "3,10", "SEP-DEC/2"]).to_owned(),
        1 => field(dice, 1, 12),
        _ => "*".to_owned(),
    });
    fields.push(match dice.below(5) {
        0 => dice
            .pick(&["MON-FRI", "SUN", "7", "fri-sun", "5L", "SUNL", "2#3", "0#5", "TUE#1,5#2", "+1-5", "+SUN", "?"])
            .to_owned(),
        1 => field(dice, 0, 7),
        _ => "*".to_owned(),
    });
    fields.join(" ")
}

/// A star, a number, a range, a step or a list.
fn field(dice: &mut Dice, low: i64, high: i64) -> String {
    let (a, b) = (dice.between(low, high), dice.between(low, high));
    let (a, b) = (a.min(b), a.max(b));
    let step = dice.between(1, (high - low) / 2 + 1);
    match dice.below(6) {
        0 => "*".to_owned(),
        1 => format!("*/{step}"),
        2 => format!("{a}-{b}"),
        3 => format!("{a}-{b}/{}", step.min(b - a + 1)),
        4 => format!("{a},{b}"),
        _ => a.to_string(),
    }
}
