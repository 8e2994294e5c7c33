"""Lets the official OpenAPI document judge the requests that Tramontane builds: a second opinion that is not our code.

    check.py DOCUMENT REQUESTS

REQUESTS is what `cargo xtask requests` writes. Prints a table of what was judged and every refusal. Ends with 1 where
one is not explained below, where an explanation is no longer needed, where an operation was never asked, and where the judge lets spoiled requests pass.
"""

import json
import re
import sys
from collections import Counter
from pathlib import Path

from document import Document
from judge import Judge
from spoil import spoiled

# Faults of the document: by operation, part, place (a pattern of JSON paths), rule, and what the refusal says.
# `crates/connectors/src/mistral/overrides.yaml` repairs the same places for the same reasons.
EXPLAINED = [
    ("POST /v1/files|GET /v1/files", r"purpose|\$\.purpose", "'audio' is not one of",
     "the field's text speaks of the purpose audio and the service takes it; the enumeration lacks it"),
    ("DELETE /v1/libraries/{library_id}/share", r"\$", "'level' is a required property",
     "`level` is required and defined nowhere; the official SDK does not send it"),
    ("POST /v2/skills|POST /v2/skills/{skill_id}/versions", r"\$\.definition\.assets.*", "Additional properties",
     "an asset is closed beside a union that adds its content: nothing could fit"),
    ("POST /v1/agents/completions", "accept", "['text/event-stream'] is none of",
     "it streams as chat does, and the official SDK streams it; the document leaves that answer out"),
]

# Most refusals of one kind that are shown.
SHOWN = 3


def explained(operation, refusal):
    """The number of the explanation for a refusal, or none."""
    for number, (operations, place, reason, _) in enumerate(EXPLAINED):
        fits = operation in operations.split("|") and refusal.reason.startswith(reason)
        if fits and re.fullmatch(place, refusal.place, re.DOTALL):
            return number
    return None


def judged(judge, requests):
    """Judges every request: how many there were and were refused by kind, and the refusals with their requests."""
    counts, refused, found = Counter(), Counter(), []
    for line in requests:
        refusals = judge.refusals(line)
        kind = line["kind"] + (", streaming" if line["stream"] else "")
        counts[kind] += 1
        refused[kind] += bool(refusals)
        found.extend((line, refusal) for refusal in refusals)
    return counts, refused, found


def tell(found):
    """Prints what was refused and not explained; says how many kinds of it there are, and which explanations served."""
    kinds, used = Counter(), Counter()
    for line, refusal in found:
        number = explained(line["operation"], refusal)
        if number is not None:
            used[number] += 1
            continue
        kind = (line["operation"], refusal.part, re.sub(r"\[\d+\]", "[]", refusal.place), refusal.rule)
        kinds[kind] += 1
        if kinds[kind] <= SHOWN:
            print(f"refused: {line['operation']}, {line['kind']} {line['seed']}: {refusal.part} {refusal.place}: "
                  f"{refusal.reason[:300]} ({refusal.rule})")
    return kinds, used


def main(document, requests):
    document = Document(document)
    requests = [json.loads(line) for line in Path(requests).read_text(encoding="utf-8").splitlines()]
    judge = Judge(document)
    counts, refused, found = judged(judge, requests)
    kinds, used = tell(found)
    asked = {(line["operation"], line["stream"]) for line in requests}
    missing = document.operations - asked
    print(f"{len(document.operations)} operations in the document, {len(document.operations & asked)} of them asked")
    print("".join(f"never asked: {operation}{', streaming' * stream}\n" for operation, stream in sorted(missing)), end="")
    for kind, count in counts.items():
        print(f"{kind:24} {count:6} judged {refused[kind]:6} refused")
    wrong = len(kinds) + len(missing)
    for number, (operations, _, reason, why) in enumerate(EXPLAINED):
        print(f"explained: {used[number]:4} times {operations}: {reason}…: {why}")
        if not used[number]:
            print("  is needed no more: take it out")
            wrong += 1
    counted, passed = Counter(), []
    for how, line in spoiled(document, requests):
        counted[how] += 1
        if not any(explained(line["operation"], one) is None for one in judge.refusals(line)):
            passed.append(f"{how}: {line['operation']}, {line['kind']} {line['seed']}: {line['spoiled']}")
    for how, count in counted.items():
        print(f"{how:40} {count:6} spoiled")
    print("".join(f"spoiled and not refused: {one}\n" for one in passed), end="")
    return 1 if wrong or passed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
