"""The formats that several gaps read and write: compose, Helm, manifests, npm, certificates."""
