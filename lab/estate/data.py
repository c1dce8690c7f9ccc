"""Seed what stores: tables, databases, caches, buckets, each with its backups; and what the tool itself needs."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

from lab.estate.connection import Aws
from lab.estate.model import Bucket, Database, Dumps, Estate, Index, Table

_MEGABYTE = 1_000_000
# The region whose buckets are created without naming a location.
_DEFAULT_LOCATION = "us-east-1"


def seed_tables(aws: Aws, estate: Estate) -> None:
    """Create the tables with an item each, and their daily backups."""
    for table in estate.tables:
        _create_table(aws, table.name, table.key, table.capacity, table.indexes)
        aws.clients["dynamodb"].put_item(TableName=table.name, Item={table.key: {"S": "demo"}})
    if estate.tables:
        aws.control("bulk/backups", tables=[_backups(table) for table in estate.tables])


def _backups(table: Table) -> dict[str, Any]:
    return {"name": table.name, "count": table.backups, "newest_hours": table.newest_hours}


def seed_lock_table(aws: Aws, name: str) -> None:
    """Create the table in which the run lock of this account and region's system is kept."""
    _create_table(aws, name, "system")


def seed_record_bucket(aws: Aws, name: str) -> None:
    """Create the bucket for the records of all runs."""
    _create_bucket(aws, name)


def _create_table(
    aws: Aws, name: str, key: str, capacity: tuple[int, int] | None = None, indexes: tuple[Index, ...] = ()
) -> None:
    more: dict[str, Any] = {"BillingMode": "PAY_PER_REQUEST"}
    if capacity:
        throughput = {"ReadCapacityUnits": capacity[0], "WriteCapacityUnits": capacity[1]}
        more = {"BillingMode": "PROVISIONED", "ProvisionedThroughput": throughput}
    if indexes:
        more["GlobalSecondaryIndexes"] = [
            {"IndexName": index.name, "KeySchema": _key(index.key), "Projection": {"ProjectionType": "ALL"}}
            for index in indexes
        ]
    aws.clients["dynamodb"].create_table(
        TableName=name,
        KeySchema=_key(key),
        AttributeDefinitions=[
            {"AttributeName": attribute, "AttributeType": "S"} for attribute in (key, *(index.key for index in indexes))
        ],
        **more,
    )


def _key(attribute: str) -> list[dict[str, str]]:
    return [{"AttributeName": attribute, "KeyType": "HASH"}]


def seed_databases(aws: Aws, estate: Estate) -> None:
    """Create the RDS instances with their daily snapshots."""
    for database in estate.databases:
        _create_database(aws, database)
        aws.control(
            "bulk/snapshots", instance=database.name, count=database.snapshots, newest_hours=database.newest_hours
        )  # fmt: skip


def _create_database(aws: Aws, database: Database) -> None:
    aws.clients["rds"].create_db_instance(
        DBInstanceIdentifier=database.name,
        Engine="postgres",
        EngineVersion="16.4",
        DBInstanceClass="db.r6g.large",
        AllocatedStorage=database.storage,
        MasterUsername="lab",
        # Nobody ever needs it: in the lab a database is what RDS says of it.
        MasterUserPassword=secrets.token_hex(16),
        BackupRetentionPeriod=database.snapshots,
    )


def seed_caches(aws: Aws, estate: Estate) -> None:
    """Create the ElastiCache clusters, and first the replication group of those that are in one."""
    for cache in estate.caches:
        if cache.group:
            aws.clients["elasticache"].create_replication_group(
                ReplicationGroupId=cache.group,
                ReplicationGroupDescription=cache.group,
                Engine="redis",
                CacheNodeType=cache.node_type,
                NumCacheClusters=1,
            )
        aws.clients["elasticache"].create_cache_cluster(
            CacheClusterId=cache.name,
            Engine="redis",
            CacheNodeType=cache.node_type,
            NumCacheNodes=1,
            **({"ReplicationGroupId": cache.group} if cache.group else {}),
        )


def seed_buckets(aws: Aws, estate: Estate, now: datetime) -> None:
    """Create the buckets with the backups in them."""
    for bucket in estate.buckets:
        _create_bucket(aws, bucket.name)
        if bucket.versioned:
            aws.clients["s3"].put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
        if bucket.dumps:
            aws.control("bulk/objects", bucket=bucket.name, objects=objects_of(bucket, now))


def _create_bucket(aws: Aws, name: str) -> None:
    elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": aws.region}}
    aws.clients["s3"].create_bucket(Bucket=name, **({} if aws.region == _DEFAULT_LOCATION else elsewhere))


def objects_of(bucket: Bucket, now: datetime) -> list[dict[str, Any]]:
    """The objects that the backup jobs of a bucket have written until now."""
    return [described for dumps in bucket.dumps for described in _dumped(dumps, now)]


def _dumped(dumps: Dumps, now: datetime) -> list[dict[str, Any]]:
    described = []
    for number in range(dumps.count):
        age = timedelta(hours=dumps.newest_hours + number * dumps.hours)
        # What is dumped grows: a tenth of a percent a dump, so that the newest is the largest.
        size = int(dumps.megabytes * _MEGABYTE * 0.999**number)
        described.append({"key": (now - age).strftime(dumps.name), "bytes": size, "age_days": age / timedelta(days=1)})
    return described
