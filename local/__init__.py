"""The whole service on one machine: no Docker, no AWS account, the template that is deployed.

``python -m local up`` reads template.yaml, lets aws-sam-translator expand it, creates its tables, buckets, queues,
secrets and state machines in moto's emulation of AWS, and runs each of its functions as real processes of AWS's own
Lambda runtime client. State is held in memory: stopping forgets it, and a start begins empty.

====================  =========================================================================================
`template`            template.yaml as aws-sam-translator expands it, with the local parameters
`intrinsics`          ``Ref``, ``Fn::GetAtt``, ``Fn::Sub`` and the like, and the names resources get
`cloud`, `emulator`   the emulated AWS, and what it takes to make moto's behave as AWS does
`resources`           creates what the template describes
`runtime_api`         Lambda's Runtime API, one socket per worker process
`pool`, `worker`      worker processes of one function: spares, time limit, concurrency
`invoke`              Lambda's Invoke: synchronous, asynchronous with retries and dead letters
`sources`             what calls functions by itself: queues, schedules, event rules
`gateway`             the HTTP API: routes of the template, payload format 2.0
`faults`              counts the AWS calls of each function, and kills a worker at the call a test names
`runner`              puts all of it together; the entry point of tests
====================  =========================================================================================
"""
