class ResultProcessor:
    def __init__(self, target_class="Flowing"):
        self.target = target_class

    def count_by_row(self, wells):
        rows = {}
        for well in wells:
            count = sum(item["class"] == self.target for item in well.get("predictions", ()))
            row, place = well["label"][0], int(well["label"][1:])
            if count:
                counts = rows.setdefault(row, [])
                counts.extend([0] * (place - len(counts)))
                counts[place - 1] += count
        return rows

    def last_positions(self, row_counts):
        return {row: len(counts) for row, counts in row_counts.items()}
