"""WO-004 as data: every checkbox in our own words, tied to its line by digest.

Acceptance criteria are numbered issue.line, manual checks M.n and definition-of-done lines D.n, in
the order's sequence. A digest is the SHA-256 of the checkbox line without surrounding blanks.
"""

from __future__ import annotations

from closeout.model import Criterion, Means, WorkOrder

_DETECT = "invoke detect.all"
_PROBES = "nox -s live_probes"
_GATES = "nox -s coverage_gates"
_DBT = "nox -s dbt"
_REPORT = "invoke report.build"
_CLUSTER = "invoke secrets.verify"
_BUCKET = (
    "BACKUP_BUCKET=gs://NAME BACKUP_DIR=DIR POSTGRES_HOST=HOST POSTGRES_USER=ROLE invoke backup.run"
)
_CRONJOB = "kubectl -n farmiq-cloud-prod get cronjob postgres-backup, or invoke secrets.verify"
_INSTALL = "k8s/external-secrets/install.sh, then invoke secrets.verify"

# fmt: off
_BOXES = (
    ("1.1", "4c0fcc80a62999e2d0c17942d79248d355930fc4f4131b63db2a054c10f85fcf", Means.LIVE, _PROBES, "Each of the five Python services answers cross-origin requests from listed origins only."),
    ("1.2", "b51df0b2ede855731995132319e7a140de1e318fedabdcd53e0d69ce37c28e1f", Means.LIVE, _PROBES, "The list of origins comes from the variable ALLOWED_ORIGINS."),
    ("1.3", "af49d3dc69362abf9ba3068c74e0d778340c656f3bc6a48743583878b85eaf90", Means.STATIC, _DETECT, "No service anywhere in the monorepo lets every origin in."),
    ("2.1", "61c5ea8c1a047043800094ed6755025d4513a8173422f78864c4bbece5191f1d", Means.LIVE, _PROBES, "A sixth failed login of one account within 15 minutes is refused."),
    ("2.2", "88419cec1cf7526fc7ee4e9752b1e8a8b20ab27d4588d9ccd0911790e4291902", Means.LIVE, _PROBES, "The token refresh route is limited too."),
    ("2.3", "cc0481b1e701cdc01cba5fa848a40af47b51ce7e6069b4651ca73474d19b0fab", Means.LIVE, _PROBES, "The limit counts by account, not by address alone."),
    ("3.1", "e280837ed15005dc5748c56342cac57bcedada16ceb59a1204dd86423f135e4d", Means.STATIC, _DETECT, "The syntax error of the batch cohort model is mended."),
    ("3.2", "4e97561d051f0fba27b48f0984afcc77f6390d196aac5c2aa14f75b7fccd9d83", Means.LIVE, _DBT, "dbt compiles the model, and the compiled text parses as PostgreSQL."),
    ("3.3", "6669a287eaeaab87a9edbe355198adcc6ca9da7a23b9ed12ac86d1c249941fd3", Means.LIVE, _DBT, "PostgreSQL runs the model's query and its figures are right."),
    ("4.1", "95eecd3dd7de98215fa7b27a1e8ba033e062ba7dc7a7d1099d21b1d0cfa4315b", Means.STATIC, _DETECT, "No secret is compared with or falls back to a literal in source code."),
    ("4.2", "8fdc67d42567459f73f3b7b714677ffb946e6beccb2ec7dfecf31828b42f9494", Means.LIVE, _PROBES, "The factory secret is read from the environment and reaches the service."),
    ("4.3", "4e054d5a988eaebe28789aa0a07c8f7f10186d4530f564692dc9d89aa53c630f", Means.STATIC, _DETECT, "The example environment file names the factory secret with a placeholder."),
    ("5.1", "bdc8bcac38f67d67e2911e9d2834c150f7ab3b901a14430c6b162ebe77514abe", Means.SUITE, _GATES, "The invoice service has at least ten tests that pass."),
    ("5.2", "70dfd611632bdae20af9d58903a2374d5f3600f6d2aa6e199b4855111cc1d30a", Means.SUITE, _GATES, "The subscription service has at least ten tests that pass."),
    ("5.3", "a19b87891338ccaf10a1e6a0c193cb55c3d380f73135e20ddf5cc65837b72147", Means.SUITE, _GATES, "The payment service has at least five tests that pass."),
    ("5.4", "4d25b51fb0f9242eb063835277a3ce66502781e60e156e2aaed37f4dc1536c68", Means.SUITE, _GATES, "The usage metering service has at least five tests that pass."),
    ("5.5", "76b4ce032e27040c51de24a70334ca05a312c9b47529c9a6496c121167b34df1", Means.SUITE, _GATES, "The billing suite covers more than 70 percent."),
    ("6.1", "f6f8a10ecede08f693ac467cb46c42829ea336ec58cccd24edff4cc109ec89f8", Means.STATIC, _DETECT, "The vision service has a pytest configuration."),
    ("6.2", "6bb30b0c21e1fa5263ff2af3f6c982785b157a5d680c031035672264375b6559", Means.STATIC, _DETECT, "The vision suite has shared fixtures in a conftest."),
    ("6.3", "7e6a3e4c6712c4d2cc5492717c821f7233557dbf996fd369b60c6e35f563f01f", Means.SUITE, _GATES, "The inference service has at least ten tests that pass."),
    ("6.4", "b8bef7793d7a373d86d608981a0b1ae70e2a995999ece5952c5f5d4103a93bbc", Means.SUITE, _GATES, "The job service has at least ten tests that pass."),
    ("6.5", "419af9f22b4cbe63404f9e8951db4229dd6ad939e18c2454aafe5be233dfbd26", Means.SUITE, _GATES, "The vision suite covers more than 60 percent."),
    ("7.1", "2c9e583f3443b17c582d0c1009896a7b6e73d563a51d0b21266c0f0ae7a45e5b", Means.LIVE, _PROBES, "All five Python services send the security headers on every kind of answer."),
    ("7.2", "ef661b174f06711b1b9e980d515d70695f9533cc88d11c78907a357673812223", Means.LIVE, _PROBES, "Answers forbid framing."),
    ("7.3", "211ab35abcfa0d2709cffa09a9ccfc692b2f5c96efeda93d35306761805da0e0", Means.LIVE, _PROBES, "Answers forbid content sniffing."),
    ("7.4", "bbdb40b97b6f7f168e6f0c85c6e7953fb1b2b286c24bf13141e16ba44a87cc06", Means.LIVE, _PROBES, "Answers demand HTTPS for a year, subdomains included."),
    ("8.1", "9ce95d91fe2c4d278bf5dcc465e96d464e23270c2aa5b34c719a23aa0ea06da2", Means.LIVE, _PROBES, "The broker listens with TLS on port 8883."),
    ("8.2", "ff3a6bb5040f1f0a83b685dee2361327e40e17bafb9e4de73bca796900f2d40f", Means.STATIC, _DETECT, "The broker's container mounts its certificates."),
    ("8.3", "7029152fb96337d4a89a10c1011de90956b081452b369ef9ba52b5296a204d6f", Means.STATIC, _DETECT, "A README says how to make the certificates."),
    ("8.4", "c12d646ab169215e14ea6bdc458c2244220143019b57c4acc772b4dfcee5cafd", Means.LIVE, _PROBES, "The production broker configuration speaks TLS only."),
    ("9.1", "f419311b229e2a3078d860ceae9f14cd6e9a82bab55b020dfab0a4eee30ea1b1", Means.LIVE, _PROBES, "A script makes backups and fails loudly when it cannot."),
    ("9.2", "4cee6aaf4e250dc5bc226f5e09d3c45433497a146644e29e60165cb544e9e13b", Means.OPERATOR, _CRONJOB, "The backup job runs in the cluster every day at two in the morning."),
    ("9.3", "51f1c54dd5c977c49ec01f49ea7ee9183a891f0fa43ae771e8b026556afc2ab8", Means.OPERATOR, _BUCKET, "Finished backups are uploaded to a bucket."),
    ("9.4", "ac65c8bf4a7104ca759d04d9a70c75a222cc21f772b4a7b16ee6da411ddba525", Means.LIVE, _PROBES, "A restore was carried out and its content compared."),
    ("10.1", "4dcea4f822b954cd22a00d7a98297f81344783c2847c7218fa152f5962789109", Means.OPERATOR, _INSTALL, "The External Secrets Operator is installed in the cluster."),
    ("10.2", "5c427f8607a0523bf63f389e0a2d19ed58dc4d7cb0a252ffa1abb312fe9f89fb", Means.STATIC, _DETECT, "A secret store for the cloud's secret manager is configured, on an API that is served."),
    ("10.3", "c251922c090023f960729cd8fa6e8e62cc6648ac33e147ba8f90dc347db332b6", Means.STATIC, _DETECT, "Every service's secret variables have an ExternalSecret."),
    ("10.4", "0aef3fa4b4227f28d35a53e0db5a8da6f35b87db0298ad9bbc11154dc3e417df", Means.OPERATOR, _CLUSTER, "The secrets arrive in the cluster and stay in step."),
    ("M.1", "be2588459456d1aef51902e6baf2d424bff22dd0dcf5afc2e3d91bc0fa9da725", Means.LIVE, _PROBES, "Python services refuse unknown origins."),
    ("M.2", "a18b08239bd171008a3a5bfdca67a5018b63153ddf6eae88c084f4726722bf78", Means.LIVE, _PROBES, "Authentication answers 429 after five failures."),
    ("M.3", "e7e8ee6e9e3c446937896f9d82a0fd019ffa25c3733438a2da2a6699170ea5af", Means.LIVE, _DBT, "The dbt model compiles and runs."),
    ("M.4", "ab8c1dc527272d02cf30d6042f858dc116e25b80698dd090cb62da9ab706e497", Means.SUITE, _GATES, "The billing suite passes."),
    ("M.5", "ac02e397e971d247d764608d2f2efb0bd0967d283c42a3bd539eba9eda15c13b", Means.SUITE, _GATES, "The vision suite passes."),
    ("M.6", "2042866727c1933e093f720bd93188da9401e92743389879905944a468a35e97", Means.LIVE, _PROBES, "Answers carry the security headers."),
    ("M.7", "23bfc6fca37878f5e76172b31e7aa372674a338457747679abedaaaad12fc449", Means.LIVE, _PROBES, "The broker accepts TLS connections."),
    ("M.8", "d43e526e5ae30f6ce1ebfc3a1c91d4cfb6a4ab4addb2e8c1614c17211758fe59", Means.OPERATOR, _BUCKET, "A backup runs and reaches its storage."),
    ("M.9", "74a7963b7306336afc7f2b7bff6acbed0411fbdc8fcd12ee4cb814d736067dc8", Means.OPERATOR, _CLUSTER, "Secrets arrive through the operator."),
)

_DONE = (
    ("D.1", "68e1fd5796caa68978bc891b7e46fc7b9379d28d1a708fc578a4c5c99334de01", ("1.1", "1.2", "1.3"), "The CORS gap is closed in all five services."),
    ("D.2", "24c24af8d147d368aa59efda97bef9f154b8a049912af22e909af459edda265d", ("2.1", "2.2", "2.3"), "The authentication routes are limited."),
    ("D.3", "0de3fdde9afedf291492d7d1569191bbf992bd9813a62afe9a8258358a5c490a", ("3.1", "3.2", "3.3"), "The SQL model is mended."),
    ("D.4", "b1268ee6d28ccfd65edf1fe8276e128bdaf3d1bda1076c187bbae6242fc930a7", ("4.1", "4.2", "4.3"), "The factory secret lives in the environment."),
    ("D.5", "21879997ae5c730a2a6f6cb9bac2f933eceb0126cfa0cb8b5ddaa0236fc679d6", ("5.1", "5.2", "5.3", "5.4", "5.5"), "The billing suite stands above its floor."),
    ("D.6", "60556137e83c8dd5f2368112a65a407780074c9208a673641a4aa64658cdd706", ("6.1", "6.2", "6.3", "6.4", "6.5"), "The vision suite stands above its floor."),
    ("D.7", "7f73e4a293f43c04cd73aca12efdd25fcb81d232895cb2edfedeb99096d4abed", ("7.1", "7.2", "7.3", "7.4"), "The Python services send security headers."),
    ("D.8", "156644c16bd17dd785a33493871ac75a28d49d362f8df36b73ffd9488ff454e8", ("8.1", "8.2", "8.3", "8.4"), "The broker speaks TLS."),
    ("D.9", "d562d8dbbee794213ac0e9432b746f4b815c128aeeb5dbaa2c242f3e56d8b1d1", ("9.1", "9.2", "9.3", "9.4"), "The backup job runs."),
    ("D.10", "28f13288a8f009cc00391bdc68b9d7a3127cfdba5bc4b1a3658a51c742c49d18", ("10.1", "10.2", "10.3", "10.4"), "The External Secrets Operator is in use."),
)
# fmt: on

WO_004 = WorkOrder(
    id="WO-004",
    title="Final production gaps",
    source_sha256="954a7981325dde2283a9538c11866ae038d8c46a6e040a26f11fd49db5b34aeb",
    criteria=(
        *(
            Criterion(id=number, source_digest=line, means=means, settled_by=command, text=text)
            for number, line, means, command, text in _BOXES
        ),
        *(
            Criterion(
                id=number,
                source_digest=line,
                means=Means.STATIC,
                settled_by=_REPORT,
                text=text,
                rests_on=rests_on,
            )
            for number, line, rests_on, text in _DONE
        ),
    ),
    issues={
        1: "cors",
        2: "rate-limit",
        3: "sql",
        4: "factory-secret",
        5: "billing-tests",
        6: "vision-tests",
        7: "headers",
        8: "mqtt-tls",
        9: "backup",
        10: "external-secrets",
    },
)
