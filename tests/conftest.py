"""Credentials that open nothing, set before any client can be made, so that no test can reach a real account.

And how property tests look for counterexamples: the same ones each time in `make test`, so that what is green stays
green until somebody changes it; ones that nobody has tried yet in `make test-slow`, which finds what is left.
"""

import os

from hypothesis import settings

os.environ.update(
    AWS_ACCESS_KEY_ID="testing",
    AWS_SECRET_ACCESS_KEY="testing",
    AWS_SESSION_TOKEN="testing",
    AWS_DEFAULT_REGION="us-east-1",
    AWS_REGION="us-east-1",
    AWS_EC2_METADATA_DISABLED="true",
    AWS_CONFIG_FILE=os.devnull,
    AWS_SHARED_CREDENTIALS_FILE=os.devnull,
    POWERTOOLS_TRACE_DISABLED="true",
    POWERTOOLS_SERVICE_NAME="jobruns-tests",
    POWERTOOLS_METRICS_NAMESPACE="Jobruns",
)
for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
    os.environ.pop(name, None)

# A machine that is busy with other things is no fault of a test's.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("searching", deadline=None)
settings.load_profile("repeatable")
