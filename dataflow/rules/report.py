"""Rules worth a second look after a run: what drops more than was declared, and what never drops anything.

Both are mostly mistakes: a bound written for another unit, a signal that means something else here, a condition on a
source that is spelled differently. So they are said, and nothing fails.

The share a rule may drop is declared once (``rules.max_share``, a half: among published rules only those that choose
languages drop more of what they are for) and, where more is meant to go, beside the rule.
"""

from collections.abc import Mapping

from dataflow.rules.config import DEFAULT_SETS, Rules
from dataflow.rules.evaluate import written_rules
from dataflow.rules.published import load_set


def remarks(rules: Rules, counts: Mapping[str, int]) -> list[tuple[str, str]]:
    """Names of rules and what is to be said of them; ``counts`` are the sums of those of ``filter_part``."""
    over, silent, idle = [], [], []
    shares = declared_shares(rules)
    # Default sets are for kinds and languages that a corpus need not have.
    asked = {rule.name for rule in written_rules(rules) if rule.set not in DEFAULT_SETS} | set(
        rules.own_rules()
    )
    for name, share in shares.items():
        applied, failed = counts.get(f"applied:{name}", 0), counts.get(f"failed:{name}", 0)
        if not applied:
            if name in asked:
                idle.append(name)
        elif not failed:
            silent.append(name)
        elif failed > share * applied:
            about = f"{applied:,} documents it is about"
            said = f"drops {failed / applied:.1%} of the {about}; declared: at most {share:.1%}"
            over.append((name, said))
    if silent:
        over.append((", ".join(silent), "never dropped a document of those it is about"))
    if idle:
        over.append(
            (", ".join(idle), "had no document to judge: none it is about, or its signal is not known")
        )
    return over


def declared_shares(rules: Rules) -> dict[str, float]:
    """For each rule the share of the documents it is about that it may drop without a remark."""
    own = rules.own_rules()
    shares = {}
    for rule in written_rules(rules):
        line = load_set(rule.set).rules[rule.name].max_share if rule.set != "custom" else None
        mine = own[rule.name].max_share if rule.name in own else None
        shares[rule.name] = next(share for share in (mine, line, rules.max_share) if share is not None)
    return shares
