"""Plates of wells: the grid that is drawn, what the model finds in it, and how it is counted."""

from types import SimpleNamespace

import pytest

from app.services import grid_builder_service, predictor_service, result_processor_service


class Numbers(list):
    """What a tensor and an array are to the service: a list after some conversions."""

    def cpu(self):
        return self

    def numpy(self):
        return self

    def astype(self, kind):
        return Numbers(map(kind, self))

    def tolist(self):
        return list(self)


def as_colour(values):
    assert len(values) == 3
    assert all(0 <= value <= 255 for value in values)
    return tuple(values)


@pytest.fixture(autouse=True)
def cv2(monkeypatch):
    """Return what was drawn, and on what; a picture is its shape. It takes what OpenCV takes."""
    drawn = SimpleNamespace(boxes=[], texts=[], written=[], on=set(), colours=[])

    def resize(image, size, *, interpolation):
        assert (image.shape[2], interpolation) == (3, "linear")
        return SimpleNamespace(shape=(*size[::-1], 3))

    def rectangle(image, first, last, colour, *width):
        assert all(size >= 1 for size in width)
        drawn.on.add(image.shape)
        drawn.boxes.append((tuple(first), tuple(last)))
        drawn.colours.append(as_colour(colour))

    def put_text(image, text, place, font, scale, colour, *width):
        assert (font, scale > 0, all(size >= 1 for size in width)) == ("plain", True, True)
        drawn.on.add(image.shape)
        drawn.texts.append((text, tuple(place)))
        drawn.colours.append(as_colour(colour))

    def write(path, image):
        drawn.on.add(image.shape)
        drawn.written.append(path)

    fakes = {
        "resize": resize,
        "rectangle": rectangle,
        "putText": put_text,
        "imwrite": write,
        "INTER_LINEAR": "linear",
        "FONT_HERSHEY_SIMPLEX": "plain",
    }
    for module in (grid_builder_service, predictor_service):
        for name, fake in fakes.items():
            monkeypatch.setattr(module.cv2, name, fake, raising=False)
    return drawn


def test_draws_every_well_once(cv2):
    picture = SimpleNamespace(shape=(100, 200, 3))
    resized, wells = grid_builder_service.GridBuilder().draw(picture)

    assert resized.shape == (120, 240, 3)
    assert len(wells) == len(cv2.boxes) == 96
    assert [well["label"] for well in wells[:2]] == ["A1", "A2"]
    assert wells[-1]["label"] == "H12"
    assert all(well["predictions"] == [] for well in wells)
    assert cv2.on == {resized.shape}
    assert cv2.boxes == [(well["top_left"], well["bottom_right"]) for well in wells]
    assert [text for text, _ in cv2.texts] == [well["label"] for well in wells]
    for well, (_, place) in zip(wells, cv2.texts, strict=True):
        corners = zip(well["top_left"], place, well["bottom_right"], strict=True)
        assert all(first <= between < last for first, between, last in corners)


def test_lays_wells_beside_each_other_without_a_gap():
    builder = grid_builder_service.GridBuilder(rows=2, cols=2, scale=1)
    _, (first, beside, below, _) = builder.draw(SimpleNamespace(shape=(10, 10, 3)))

    assert first["top_left"][0] > 0
    assert beside["top_left"] == (first["bottom_right"][0], first["top_left"][1])
    assert below["top_left"] == (first["top_left"][0], first["bottom_right"][1])
    width = first["bottom_right"][0] - first["top_left"][0]
    height = first["bottom_right"][1] - first["top_left"][1]
    assert (width, height) == (127, 126)


WELLS = [
    {"label": "A1", "top_left": (0, 0), "bottom_right": (10, 10)},
    {"label": "A2", "top_left": (10, 0), "bottom_right": (20, 10)},
]


class Model:
    """A model that finds the boxes it was given."""

    found = []

    def __init__(self, path):
        self.path = path

    def to(self, device):
        self.device = device

    def predict(self, **asked):
        self.asked = asked
        names = {0: "Flowing", 1: "Still"}
        boxes = [SimpleNamespace(cls=[c], conf=[s], xyxy=[Numbers(b)]) for c, s, b in self.found]
        return [SimpleNamespace(boxes=boxes, names=names)]


@pytest.fixture
def predictor(monkeypatch, picture):
    monkeypatch.setattr(predictor_service, "YOLO", Model)
    return predictor_service.Predictor(str(picture(3, "a.pt")), 0.7)


def test_takes_the_first_weights_of_a_folder(predictor, picture, tmp_path):
    picture(3, "b.pt")

    assert type(predictor)(str(tmp_path)).model.path == str(tmp_path / "a.pt")
    assert predictor.model.device == "cpu"


@pytest.mark.parametrize("box", [[-1, 0, 5, 5], [0, -1, 5, 5], [5, 5, 21, 9], [0, 5, 5, 11]])
def test_notes_nothing_that_reaches_beyond_every_well(predictor, monkeypatch, cv2, box):
    monkeypatch.setattr(Model, "found", [(0, 0.9, box)])
    wells = [{**well, "predictions": []} for well in WELLS]
    picture = SimpleNamespace(shape=(1, 1, 3))

    assert predictor.predict(picture, wells) == (picture, wells)
    assert [well["predictions"] for well in wells] == [[], []]
    assert cv2.texts == []


def test_is_half_sure_where_nothing_else_is_asked(predictor, picture):
    made = type(predictor)(str(picture(3, "b.pt")))
    made.predict(SimpleNamespace(shape=(1, 1, 3)), [])

    assert made.model.asked["conf"] == 0.5


def test_wants_weights(predictor, tmp_path):
    (tmp_path / "empty").mkdir()

    with pytest.raises(FileNotFoundError, match="No .pt weights"):
        type(predictor)(str(tmp_path / "empty"))
    with pytest.raises(FileNotFoundError, match=r"gone\.pt"):
        type(predictor)(str(tmp_path / "gone.pt"))


def test_notes_what_lies_within_a_well(predictor, monkeypatch, cv2):
    monkeypatch.setattr(
        Model,
        "found",
        [(0, 0.9, [1.5, 1, 9, 9]), (1, 0.8, [10, 0, 20, 10]), (0, 0.9, [5, 5, 15, 9])],
    )
    wells = [{**well, "predictions": []} for well in WELLS]
    _, noted = predictor.predict(SimpleNamespace(shape=(1, 1, 3)), wells)

    assert noted[0]["predictions"] == [
        {"class": "Flowing", "confidence": 0.9, "bbox": [1, 1, 9, 9]}
    ]
    assert [item["class"] for item in noted[1]["predictions"]] == ["Still"]
    assert cv2.boxes == [((1, 1), (9, 9)), ((10, 0), (20, 10))]
    assert [text for text, _ in cv2.texts] == ["Flowing 0.90", "Still 0.80"]
    assert [place[0] for _, place in cv2.texts] == [1, 10]
    assert all(
        place[1] <= top for (_, place), ((_, top), _) in zip(cv2.texts, cv2.boxes, strict=True)
    )
    assert cv2.on == {(1, 1, 3)}
    assert predictor.model.asked["conf"] == 0.7


def test_leaves_no_picture_on_the_disk(predictor, cv2):
    predictor.predict(SimpleNamespace(shape=(1, 1, 3)), [])

    (path,) = cv2.written
    assert path.endswith(".jpg")
    assert path == predictor.model.asked["source"]
    with pytest.raises(FileNotFoundError):
        open(path)


def counted(**labels):
    return [
        {"label": label, "predictions": [{"class": name} for name in names]}
        for label, names in labels.items()
    ]


def test_counts_by_row_up_to_the_last_well_that_holds_something():
    processor = result_processor_service.ResultProcessor()
    wells = counted(A1=["Flowing"], A3=["Flowing", "Flowing"], B2=["Still"], C12=["Flowing"], D1=[])

    counts = processor.count_by_row(wells)

    assert counts == {"A": [1, 0, 2], "C": [0] * 11 + [1]}
    assert processor.last_positions(counts) == {"A": 3, "C": 12}


def test_counts_the_class_it_is_told_to():
    processor = result_processor_service.ResultProcessor("Still")

    assert processor.count_by_row(counted(A1=["Flowing"], B2=["Still"])) == {"B": [0, 1]}
    assert processor.count_by_row([{"label": "A1"}]) == {}
