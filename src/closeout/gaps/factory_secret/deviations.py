"""Where the factory secret departs from the order, and why."""

from closeout.model import Deviation

DEVIATIONS = (
    Deviation(
        id="D-factory-secret-1",
        claim="The claim is compared with whatever the variable holds.",
        finding=(
            "The placeholder of the example, a blank and the old literal were accepted as "
            "configured values, and the comparison took longer the more of it was right."
        ),
        decision=(
            "The value is checked at boot: set, at least 32 characters, no placeholder, not the "
            "old literal (known by its digest). Claims are compared as SHA-256 digests in "
            "constant time."
        ),
    ),
    Deviation(
        id="D-factory-secret-2",
        claim="A missing secret answers 500 with CONFIG_ERROR.",
        finding="It tells an attacker that the service is misconfigured, and how.",
        decision="The reason is logged at boot; the answer is 503 with SERVICE_UNAVAILABLE.",
    ),
    Deviation(
        id="D-factory-secret-3",
        claim="The variable is added to the example file.",
        finding="No compose file named it, so provisioning always failed once deployed.",
        decision="Compose hands the variable on; the example has a placeholder that is refused.",
    ),
    Deviation(
        id="D-factory-secret-4",
        claim="A wrong claim answers 401.",
        finding="It answered 403 with a text before; callers may know that.",
        decision=(
            "401 with INVALID_CLAIM_CODE, as the order has it: a change of contract, named here. "
            "A claim that is no text of at most 256 characters answers 400."
        ),
    ),
    Deviation(
        id="D-factory-secret-5",
        claim="Nothing limits how often a claim may be tried.",
        finding="120 wrong claims in a row were all judged.",
        decision="30 wrong claims an address in 15 minutes; right ones are not counted.",
    ),
    Deviation(
        id="D-factory-secret-6",
        claim="The secret in the provisioning controller is the hardcoded one.",
        finding="Elsewhere a token secret fell back to a literal when its variable was unset.",
        decision="The variable is required: without it that service does not start.",
    ),
)
