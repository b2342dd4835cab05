"""Where the limiter departs from the order, and why."""

from closeout.model import Deviation

DEVIATIONS = (
    Deviation(
        id="D-rate-limit-1",
        claim="One limiter keyed by the email as it was sent, or by the address.",
        finding=(
            "Other case, blanks, invisible characters, arrays and rotating emails were never "
            "limited, a request without a body ended in 500, and five failures by an attacker "
            "locked the account's owner out."
        ),
        decision=(
            "The body is validated and the email normalised (NFKC, case, blanks, invisible "
            "characters) before anything is counted. Three limits hold together: 5 for account "
            "and address, 30 for an address, 50 for an account; a pair that has signed in before "
            "is exempt from the last two."
        ),
    ),
    Deviation(
        id="D-rate-limit-2",
        claim="Five attempts in the window.",
        finding="Six good logins in a row gave 429.",
        decision=(
            "Failures count, successes are taken back, and requests of one key that are still "
            "undecided make the next ones wait, so that a burst of good logins passes and a burst "
            "of guesses does not."
        ),
    ),
    Deviation(
        id="D-rate-limit-3",
        claim="The same limiter on /refresh.",
        finding=(
            "Failed logins blocked token renewal, and since a renewal has no email, all users of "
            "a gateway shared one bucket."
        ),
        decision="/refresh has its own limits: 5 failures a token and address, 30 an address.",
    ),
    Deviation(
        id="D-rate-limit-4",
        claim="The limiter counts in the memory of the process.",
        finding="With three replicas 15 attempts passed.",
        decision=(
            "With REDIS_URL the counts are shared, with a timeout of 250 ms and the process's own "
            "counts to fall back on. Without it each process counts alone."
        ),
    ),
    Deviation(
        id="D-rate-limit-5",
        claim="express-rate-limit is imported.",
        finding="The service's manifest and lock did not list it: the build failed.",
        decision=(
            "Manifest and lock name exact versions. A lock that was in step with its manifest is "
            "what npm itself writes; one that lacked other packages of its manifest before lacks "
            "them still, and `npm ci` refuses it as before: `npm install` once brings it in step."
        ),
    ),
    Deviation(
        id="D-rate-limit-6",
        claim="The address is whatever the framework reports.",
        finding=(
            "A spoofed X-Forwarded-For gave a new bucket for every request where proxies were "
            "trusted blindly, and an IPv6 client has 2^64 addresses."
        ),
        decision=(
            "TRUST_PROXY_HOPS says how many hops count, without it the service's own "
            "`trust proxy`; IPv6 counts by /64, and an address is read in whatever spelling "
            "proxies write it. A gateway of the tree is made to forward the client's address, and "
            "that hop counts. Where addresses arrive that nobody trusts, 600 replaces the 30 of an "
            "address, and the log says so once: strangers behind one proxy do not lock each other "
            "out. Whoever reaches a service past its gateway, at a port of its own, may say any "
            "address: only what an account is allowed still holds there, so publish the gateway "
            "alone."
        ),
    ),
    Deviation(
        id="D-rate-limit-7",
        claim="The check sends ten logins to port 5122.",
        finding="Ingestion listens there; identity is on 5120.",
        decision="Ports are taken from the compose file.",
    ),
)
