from app.services.job_service import JobService


def test_a_job_can_be_queued():
    assert JobService().create_job("barn-1", "http://camera.local/1.jpg").status == "pending"
