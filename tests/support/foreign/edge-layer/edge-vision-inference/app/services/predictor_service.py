import tempfile
from pathlib import Path

import cv2
from ultralytics import YOLO


class Predictor:
    def __init__(self, model_path, confidence_threshold=0.5):
        self.model = YOLO(self._weights(Path(model_path)))
        self.model.to("cpu")
        self.threshold = confidence_threshold

    @staticmethod
    def _weights(place):
        found = sorted(place.glob("*.pt")) if place.is_dir() else [place]
        if not found:
            raise FileNotFoundError(f"No .pt weights in {place}")
        if not found[0].exists():
            raise FileNotFoundError(f"there is no {found[0]}")
        return str(found[0])

    def predict(self, image, wells):
        with tempfile.NamedTemporaryFile(suffix=".jpg") as place:
            cv2.imwrite(place.name, image)
            results = self.model.predict(source=place.name, conf=self.threshold)
        for result in results:
            for box in result.boxes:
                self._note(image, wells, box, result.names[int(box.cls[0])])
        return image, wells

    def _note(self, image, wells, box, name):
        bbox = box.xyxy[0].cpu().numpy().astype(int).tolist()
        well = next((well for well in wells if self._within(bbox, well)), None)
        if well is None:
            return
        score = float(box.conf[0])
        well["predictions"].append({"class": name, "confidence": score, "bbox": bbox})
        cv2.rectangle(image, tuple(bbox[:2]), tuple(bbox[2:]), (0, 255, 0), 2)
        font = cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(image, f"{name} {score:.2f}", tuple(bbox[:2]), font, 0.5, (0, 255, 0))

    @staticmethod
    def _within(bbox, well):
        (left, top), (right, bottom) = well["top_left"], well["bottom_right"]
        return bbox[0] >= left and bbox[1] >= top and bbox[2] <= right and bbox[3] <= bottom
