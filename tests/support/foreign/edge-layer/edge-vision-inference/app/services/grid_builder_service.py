import cv2

WIDTH, HEIGHT = 127, 126


class GridBuilder:
    def __init__(self, rows=8, cols=12, scale=1.2):
        self.rows, self.cols, self.scale = rows, cols, scale

    def draw(self, image):
        height, width = (int(side * self.scale) for side in image.shape[:2])
        resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        wells = [self._well(row, col) for row in range(self.rows) for col in range(self.cols)]
        for well in wells:
            corner = well["top_left"]
            cv2.rectangle(resized, corner, well["bottom_right"], (0, 0, 255), 2)
            cv2.putText(resized, well["label"], corner, cv2.FONT_HERSHEY_SIMPLEX, 1, (255, 0, 0))
        return resized, wells

    def _well(self, row, col):
        wide, high = int(WIDTH * self.scale), int(HEIGHT * self.scale)
        left, top = (col + 1) * wide, (row + 1) * high
        return {
            "label": f"{'ABCDEFGH'[row]}{col + 1}",
            "top_left": (left, top),
            "bottom_right": (left + wide, top + high),
            "predictions": [],
        }
