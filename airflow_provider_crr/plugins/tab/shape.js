// Whether a task's XCom is one of ours. By its shape alone: operators are subclassed. What is not whole is not shown.

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isCount = (value) => Number.isInteger(value) && value >= 0; // bytes may be beyond 2^53: rounded, but shown
const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const isText = (value) => typeof value === "string";
const or = (...tests) => (value) => tests.some((test) => test(value));
const isNull = (value) => value === null;
const listOf = (test) => (value) => Array.isArray(value) && value.every(test);
const mapOf = (test) => (value) => isObject(value) && Object.values(value).every(test);
const shaped = (fields) => (value) =>
  isObject(value) && Object.entries(fields).every(([name, test]) => test(value[name]));

const isVolume = shaped({ objects: isCount, bytes: isCount });
const isStatuses = mapOf(isVolume);

/** What S3ReplicationSensor returns. */
export const isGate = shaped({
  total: isCount,
  statuses: mapOf(isCount),
  deciding: or(mapOf(isCount), (value) => value === undefined),
  head_requests: isCount,
  waited_seconds: isNumber,
  oldest_pending_seconds: or(isNumber, isNull),
  sample: listOf(shaped({ uri: isText, status: isText, reason: or(isText, (value) => value === undefined) })),
});

/** What it returns when its time was up before S3 had answered once. */
export const isUnasked = (value) => isUnaskedShape(value) && Object.keys(value).length === 2;
const isUnaskedShape = shaped({ head_requests: isCount, waited_seconds: isNumber });

/** The schema of S3InventorySummaryOperator's summaries that this page knows. */
export const SCHEMA = 1;

/** What S3InventorySummaryOperator returns. */
export const isSummary = shaped({
  schema: (value) => value === SCHEMA,
  source_bucket: isText,
  manifest: isText,
  format: isText,
  created_at: isText,
  versions: isText,
  objects: isCount,
  bytes: isCount,
  statuses: isStatuses,
  prefixes: listOf(shaped({ prefix: isText, statuses: isStatuses })),
  other_prefixes: shaped({ count: isCount, statuses: isStatuses }),
  oldest_pending: or(isNull, shaped({ uri: isText, last_modified: isText, age_seconds: isNumber })),
  failed_sample: listOf(isText),
  delete_markers: isCount,
  noncurrent_versions: isCount,
  report_uri: or(isText, isNull),
  failed_manifest_uri: or(isText, isNull),
});

/** A summary of a schema that this page does not know. */
export const isNewerSummary = shaped({ schema: (value) => isCount(value) && value > SCHEMA, source_bucket: isText });
