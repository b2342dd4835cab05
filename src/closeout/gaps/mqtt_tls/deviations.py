"""Where the fix of the broker departs from the order, and why."""

from __future__ import annotations

from closeout.model import Deviation

DEVIATIONS = (
    Deviation(
        id="D-mqtt-tls-1",
        claim="Openssl commands make an RSA certificate whose common name is the broker's.",
        finding="The result is version 1 without alternative names: accepted for that one name "
        "by lenient clients, refused for localhost, an address and the cluster's names, and "
        "always by Go, urllib3 2 and Python's strict verification.",
        decision="Version 3 on P-256 with every name and address, key usage, extended key usage, "
        "both key identifiers and at most 365 days; the README's openssl commands do the same.",
    ),
    Deviation(
        id="D-mqtt-tls-2",
        claim="The certificate folder is mounted as a whole.",
        finding="The authority's private key is then inside the broker's container.",
        decision="Only `certs/broker` is mounted; the authority's key stays in "
        "`certs/authority`, which no container sees.",
    ),
    Deviation(
        id="D-mqtt-tls-3",
        claim="Publishing 5101:8883 and setting MQTT_TLS_ENABLED turns TLS on.",
        finding="Nothing reads the variable, and the mounted development configuration has no "
        "listener on 8883: the published port is dead.",
        decision="The mounted configuration includes a committed, empty folder, and `certs.dev` "
        "puts the listener there with the certificates: a listener whose certificate is missing "
        "would stop the broker, and development with it. The variable is left out. A handshake "
        "through that configuration is the proof.",
    ),
    Deviation(
        id="D-mqtt-tls-4",
        claim="The broker's service block is replaced as printed.",
        finding="Compose builds the image; the printed block loses its name, network, volumes "
        "and health check.",
        decision="Ports and mounts are added to the block that is there, byte for byte.",
    ),
    Deviation(
        id="D-mqtt-tls-5",
        claim="Plaintext is published on 5100 for development.",
        finding="On every address anybody in the network may publish without a login.",
        decision="Port 5100 is published on 127.0.0.1 alone, and services on the compose network "
        "still reach it; `docker-compose.mqtt-prod.yml` runs the broker on the production "
        "configuration, which has TLS only.",
    ),
    Deviation(
        id="D-mqtt-tls-6",
        claim="The existing production configuration counts as done once it names certificates.",
        finding="With `per_listener_settings` left empty the broker does not start; with "
        "`require_certificate` and no `cafile` it starts and refuses every client.",
        decision="A broken file is rendered anew, keeping its limits, logs and other listeners; a "
        "sound one is limited to the suites of Mozilla's intermediate profile, and names the "
        "access list where everything that starts it has one mounted. "
        "The real broker is started with it and asked.",
    ),
    Deviation(
        id="D-mqtt-tls-7",
        claim="A key of mode 0600 is all that is needed.",
        finding="The broker drops to its own user before it reads the key, and cannot.",
        decision="Keys are made 0600; the README gives the server's key to the broker's group, "
        "and the cluster's secret is mounted for it.",
    ),
    Deviation(
        id="D-mqtt-tls-8",
        claim="The health check can stay as it is.",
        finding="It waits for `$SYS/health`, which mosquitto never publishes, so the container is "
        "never healthy.",
        decision="It waits for `$SYS/broker/uptime`.",
    ),
    Deviation(
        id="D-mqtt-tls-9",
        claim="Topics are shared out by client id.",
        finding="A client chooses its own id (`%c`), and so its own topics.",
        decision="The certificate's common name is the user (`use_identity_as_username`) and the "
        "client id (`use_username_as_clientid`, but for clients that need two connections), and "
        "the access list's patterns use `%u` where the code shows which segment that name is. It "
        "allows the topics in the code of the tree's clients besides those of its example. A topic "
        "in which no segment is known to be the client's name stays open to every certificate, for "
        "what published before must not be refused: the list and the README name it, and a `%u` or "
        "a `user` block for each client closes it.",
    ),
    Deviation(
        id="D-mqtt-tls-10",
        claim="TLS settings of the broker's configuration are all that a listener needs.",
        finding="mosquitto.conf has no setting for curves: X448 and secp521r1 stay on offer, which "
        "a scan against Mozilla's intermediate configuration refuses.",
        decision="Production mounts an `openssl.cnf` that `OPENSSL_CONF` names, in compose and in "
        "the cluster; `nox -s mqtt_tls` scans the broker started that way.",
    ),
)
