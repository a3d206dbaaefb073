"""The HarperDB door over HTTP: tables, loads as jobs, and what becomes of the rows."""

from jobruns.file_paths import file_key
from local.runner import Runner
from tests.e2e.harper import Harper, csv_rows


def test_the_same_rows_by_insert_insert_update_upsert(harper: Harper, dogs: dict[str, str]) -> None:
    data = csv_rows(1000)
    ended = [
        harper.run("csv_data_load", **dogs, data=data, action=action)
        for action in ("insert", "insert", "update", "upsert")
    ]
    assert [(job["status"], job["message"]) for job in ended] == [
        ("COMPLETE", "successfully loaded 1000 of 1000 records"),
        ("COMPLETE", "successfully loaded 0 of 1000 records"),
        ("COMPLETE", "successfully loaded 1000 of 1000 records"),
        ("COMPLETE", "successfully loaded 1000 of 1000 records"),
    ]
    found = harper.do("search_by_hash", **dogs, hash_values=[7, 5000, 3], get_attributes=["name", "id"])
    assert found == [{"name": "dog 7", "id": 7}, {"name": "dog 3", "id": 3}]
    assert harper.do("describe_table", **dogs)["record_count"] == 1000


def test_a_job_that_cannot_be_done_is_there_and_has_ended(harper: Harper, dogs: dict[str, str]) -> None:
    where = {"operation": "search_by_hash", **dogs, "hash_values": [1]}
    for members, told in (
        ({"path": "out"}, "format missing"),
        ({"path": "out", "format": "xml"}, "format invalid. must be one of the following values: json, csv"),
        ({"format": "csv"}, "path is missing."),
    ):
        job = harper.run("export_local", search_operation=where, **members)
        assert (job["type"], job["status"], job["message"]) == ("export_local", "ERROR", told)
    job = harper.run("delete_records_before", schema="zzz", table="dog", date="2024-01-01")
    assert (job["status"], job["message"]) == ("ERROR", "database 'zzz' does not exist")


def test_what_is_exported_is_in_the_file_and_the_job_says_where(
    runner: Runner, harper: Harper, dogs: dict[str, str]
) -> None:
    s3, org = runner.client("s3"), runner.env["JOBRUNS_ORG"]
    harper.do("insert", **dogs, records=[{"id": 1, "name": 'Penny "P"', "age": 5}, {"id": 2, "name": "Kato"}])
    search = {"operation": "search_by_hash", **dogs, "hash_values": [2, 1], "get_attributes": ["id", "name", "age"]}
    job = harper.run("export_local", path="/out/", filename="dogs", format="csv", search_operation=search)
    assert job["message"] == f"Successfully completed job: {job['id']}"
    assert job["result"] == {"message": "Successfully exported CSV locally.", "path": "/out/dogs.csv"}
    written = s3.get_object(Bucket=runner.env["JOBRUNS_LANDING_BUCKET"], Key=file_key(org, "out/dogs.csv"))
    assert written["Body"].read() == b'"id","name","age"\n2,"Kato",\n1,"Penny ""P""",5'
    s3.create_bucket(Bucket="callers-exports")
    place = {
        "aws_access_key_id": "AKIACALLER",
        "aws_secret_access_key": "secret",
        "bucket": "callers-exports",
        "key": "k.json",
    }
    job = harper.run("export_to_s3", format="json", s3=place, search_operation=search)
    written = s3.get_object(Bucket="callers-exports", Key="k.json.json")
    assert written["Body"].read() == b'[{"id":2,"name":"Kato","age":null},{"id":1,"name":"Penny \\"P\\"","age":5}]'
    assert (job["result"]["Bucket"], job["result"]["Key"]) == ("callers-exports", "k.json.json")
    assert job["result"]["ETag"] == written["ETag"]
    again = harper.run("import_from_s3", **dogs, s3={**place, "key": "k.json.json"}, action="update")
    assert again["message"] == "successfully loaded 2 of 2 records"
