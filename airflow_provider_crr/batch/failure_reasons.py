"""
S3's codes for why a replication failed, in words that name the remedy.

All of `Amazon S3 replication failure reasons
<https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-metrics-events.html#replication-failure-codes>`__;
events of failed replications and completion reports of S3 Batch Replication carry these codes. The list grows.
"""

from __future__ import annotations

from airflow_provider_crr.text.legible import told

_ROLE = "the replication role"
_REPLICATE = f"Allow s3:ReplicateObject to {_ROLE}, in its own policy and in the destination bucket's"
_READ = f"Allow s3:GetObjectVersionForReplication to {_ROLE} on the source bucket"
_KEY_STATE = "is disabled or about to be deleted. Enable it"
_BATCH_REGION = "is not in the Region of the S3 Batch Operations job. Create the job in the source bucket's Region"

#: Code -> why, and what to do.
FAILURE_REASONS = {
    "AssumeRoleNotPermitted": "S3 cannot assume the role of the replication configuration or of the S3 Batch"
    " Operations job. Let the role's trust policy name s3.amazonaws.com (for a job: batchoperations.s3.amazonaws.com)",
    "DstBucketInvalidRegion": f"the destination bucket {_BATCH_REGION}",
    "DstBucketNotFound": "the destination bucket of the rule does not exist. Create it, or mend the rule",
    "DstBucketObjectLockConfigMissing": "the source bucket has Object Lock and the destination bucket seems to have"
    " none. Enable Object Lock on the destination bucket",
    "DstBucketUnversioned": "versioning is not enabled on the destination bucket. Enable it",
    "DstDelObjNotPermitted": "S3 may not replicate the delete marker. Allow s3:ReplicateDelete to"
    f" {_ROLE}, in its own policy and in the destination bucket's",
    "DstKmsKeyInvalidState": f"the destination's KMS key {_KEY_STATE}",
    "DstKmsKeyNotFound": "the KMS key that the rule names for the destination does not exist. Mend the rule's"
    " ReplicaKmsKeyID",
    "DstMultipartCompleteNotPermitted": f"S3 may not complete a multipart upload to the destination. {_REPLICATE}",
    "DstMultipartInitNotPermitted": f"S3 may not begin a multipart upload to the destination. {_REPLICATE}",
    "DstMultipartPartUploadNotPermitted": f"S3 may not upload a part to the destination. {_REPLICATE}",  # until 2023
    "DstMultipartUploadNotPermitted": f"S3 may not upload a part to the destination. {_REPLICATE}",
    "DstObjectHardDeleted": "somebody deleted the replica by its version id, and S3 Batch Replication does not make"
    " such a replica again. Copy the object with S3 Batch Operations instead",
    "DstPutAclNotPermitted": f"S3 may not write the access control list of the replica. {_REPLICATE}",
    "DstPutLegalHoldNotPermitted": "S3 may not put a legal hold on the replica. Allow s3:PutObjectLegalHold on the"
    f" destination to {_ROLE}",
    "DstPutObjectNotPermitted": f"S3 may not write the replica. {_REPLICATE} (s3:ObjectOwnerOverrideToBucketOwner, too,"
    " if the rule changes the owner), and kms:Decrypt and kms:GenerateDataKey* in the policy of the destination's key",
    "DstPutRetentionNotPermitted": "S3 may not set the retention of the replica. Allow s3:PutObjectRetention on the"
    f" destination to {_ROLE}",
    "DstPutTaggingNotPermitted": f"S3 may not write the tags of the replica. {_REPLICATE}",
    "DstVersionNotFound": "the version whose metadata should be replicated is not in the destination bucket."
    " Replicate the object itself with S3 Batch Replication",
    "InitiateReplicationNotPermitted": "the S3 Batch Replication job may not begin replications. Allow"
    " s3:InitiateReplication to the job's role",
    "SrcBucketInvalidRegion": f"the source bucket {_BATCH_REGION}",
    "SrcBucketNotFound": "S3 does not find the source bucket",
    "SrcBucketReplicationConfigMissing": "the source bucket has no replication configuration any more. Put it back",
    "SrcGetAclNotPermitted": "S3 may not read the object's access control list. Allow s3:GetObjectVersionAcl to"
    f" {_ROLE}, and see that the bucket's owner owns the object (Object Ownership: bucket owner enforced)",
    "SrcGetLegalHoldNotPermitted": f"S3 may not read the object's legal hold. Allow s3:GetObjectLegalHold to {_ROLE}",
    "SrcGetObjectNotPermitted": f"S3 may not read the object. {_READ}",
    "SrcGetRetentionNotPermitted": f"S3 may not read the object's retention. Allow s3:GetObjectRetention to {_ROLE}",
    "SrcGetTaggingNotPermitted": f"S3 may not read the object's tags. Allow s3:GetObjectVersionTagging to {_ROLE}",
    "SrcHeadObjectNotPermitted": f"S3 may not read the object's metadata. {_READ}",
    "SrcKeyNotFound": "the object is not there. It may have been deleted before it was replicated",
    "SrcKmsKeyInvalidState": f"the source's KMS key {_KEY_STATE}",
    "SrcObjectNotEligible": "the object is not one that S3 replicates: its storage class is archived, or its tags do"
    " not match the rule",
    "SrcObjectNotFound": "the object does not exist",
    "SrcReplicationNotPending": "the object is replicated already. Nothing is to be done",
    "SrcVersionNotFound": "the version is not there. It may have been deleted before it was replicated",
}


def explain(code: str | None) -> str:
    """
    Return why a replication failed, in words.

    :param code: S3's code; None if S3 gave none.
    """
    if code is None:
        return "S3 gave no reason. Look at the role, the KMS keys and the destination bucket"
    unknown = (
        f"S3 says {told(code)}, which this release does not know: look it up in AWS's list of replication failures"
    )
    return FAILURE_REASONS.get(code, unknown)
