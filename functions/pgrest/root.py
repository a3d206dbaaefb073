"""The root: the description of what is here."""

from collections.abc import Mapping

from pgrest.columns import Relation
from pgrest.errors import Code, RefusedError
from pgrest.media import ROOT, choose_media
from pgrest.openapi import describe_relations
from pgrest.profiles import check_profile
from pgrest.query import split_query
from pgrest.representations import write_json
from pgrest.verbs import READS
from pgrest.wire import Answer, Request

ROOT_VERBS = ["OPTIONS", "GET", "HEAD"]
_TITLE = "Runs of jobs"
_VERSION = "1.0"


def show_root(request: Request, relations: Mapping[str, Relation]) -> Answer:
    """Describe the relations.

    Raises
    ------
    RefusedError
        The request is no GET or HEAD, or asks for more than that.
    """
    if request.verb not in READS:
        raise RefusedError(
            Code.VERB, f"Unsupported HTTP method: {request.verb[:20]}", headers={"Allow": ",".join(ROOT_VERBS)}
        )
    profile = check_profile(request.verb, request.headers)
    media = choose_media(request.headers.get("accept"), ROOT)
    if parameters := split_query(request.query):
        raise RefusedError(Code.SYNTAX, f'The description has no parameter "{parameters[0][0][:80]}"')
    document = describe_relations(relations.values(), title=_TITLE, version=_VERSION, base_path=request.prefix or "/")
    return Answer(200, media.content_type, write_json(document), profile)
