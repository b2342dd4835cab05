"""Forms of one report, each made from the JSON of `report.schema.json`."""
