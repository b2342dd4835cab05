"""Other forms of one report, each made from the JSON of `schemas/report.schema.json`."""
