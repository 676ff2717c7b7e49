SELECT file('{key}')
SELECT FILE('{key}')
SELECT `file`('{key}')
SELECT "file"('{key}')
SELECT /**/file/**/('{key}')
SELECT file({p:String})
SELECT 1 WHERE file('{key}') != ''
SELECT count() FROM hits PREWHERE file('{key}') != ''
SELECT id FROM hits GROUP BY id, file('{key}')
SELECT id FROM hits HAVING file('{key}') != ''
SELECT id FROM hits ORDER BY file('{key}')
SELECT id FROM hits LIMIT length(file('{key}'))
SELECT id FROM hits LIMIT 1 BY file('{key}')
SELECT id FROM hits QUALIFY file('{key}') != ''
SELECT id FROM hits ORDER BY id WITH FILL FROM length(file('{key}')) TO 100
SELECT id, site FROM hits ORDER BY id WITH FILL INTERPOLATE (site AS file('{key}'))
SELECT sum(id) OVER (PARTITION BY file('{key}')) FROM hits
SELECT sum(id) OVER w FROM hits WINDOW w AS (ORDER BY file('{key}'))
SELECT * APPLY (file) FROM (SELECT '{key}' AS a)
SELECT * APPLY (x -> file(x)) FROM (SELECT '{key}' AS a)
SELECT * REPLACE (file(a) AS a) FROM (SELECT '{key}' AS a)
SELECT COLUMNS('a') APPLY file FROM (SELECT '{key}' AS a)
SELECT arrayMap(x -> file(x), ['{key}'])
SELECT arrayMap(file, ['{key}'])
SELECT arrayMap(`FILE`, ['{key}'])
SELECT arrayFilter(file, ['{key}'])
SELECT arrayReduce(file, ['{key}'])
WITH file AS f SELECT arrayMap(f, ['{key}'])
WITH x -> file(x) AS f SELECT arrayMap(f, ['{key}'])
SELECT arrayMap(f, ['{key}']) FROM (SELECT 1) AS t ARRAY JOIN [file] AS f
SELECT mapApply((k, v) -> (k, file(v)), map('a', '{key}'))
SELECT [file('{key}')], (file('{key}'), 1), map('a', file('{key}'))
SELECT if(1, file('{key}'), ''), CASE WHEN 1 THEN file('{key}') END
SELECT (SELECT file('{key}'))
SELECT 'x' IN (SELECT file('{key}'))
SELECT exists(SELECT file('{key}'))
SELECT * FROM (SELECT * FROM (SELECT file('{key}')))
SELECT * FROM hits AS a JOIN (SELECT file('{key}') AS site) AS b USING (site)
SELECT * FROM hits AS a JOIN hits AS b ON a.site = file('{key}')
SELECT 1 UNION ALL SELECT file('{key}')
SELECT 1 INTERSECT SELECT file('{key}')
WITH file('{key}') AS a SELECT a
WITH a AS (SELECT file('{key}')) SELECT * FROM a
WITH x -> file(x) AS f SELECT f('{key}')
WITH RECURSIVE a AS (SELECT file('{key}') UNION ALL SELECT * FROM a) SELECT * FROM a
SELECT * FROM view(SELECT file('{key}'))
SELECT * FROM values('a String', (file('{key}')))
SELECT a FROM hits ARRAY JOIN [file('{key}')] AS a
EXPLAIN SELECT file('{key}')
EXPLAIN SYNTAX SELECT file('{key}')
EXPLAIN QUERY TREE SELECT file('{key}')
EXPLAIN PLAN actions = 1 SELECT file('{key}')
EXPLAIN EXPLAIN SELECT file('{key}')
DESCRIBE (SELECT file('{key}'))
DESCRIBE file('{key}.csv')
DESCRIBE TABLE file('{key}', 'LineAsString')
DESCRIBE default.`{key}.csv`
SELECT * FROM (EXPLAIN SELECT file('{key}'))
SELECT * FROM viewExplain('EXPLAIN', '', (SELECT file('{key}')))
SELECT * FROM viewIfPermitted(SELECT file('{key}') ELSE null('a String'))
SELECT 1; SELECT file('{key}')
SELECT 1;;SELECT file('{key}')
SELECT 1 /* ; */ ; SELECT * FROM file('{key}', 'LineAsString')
SELECT '\'; SELECT file('{key}') -- '
SELECT 1 FORMAT TSV; SELECT file('{key}')
SELECT $$a$$, file('{key}')
SELECT * FROM file('{key}', 'LineAsString')
SELECT * FROM file('{key}.csv')
SELECT * FROM FiLe('{key}', LineAsString)
SELECT * FROM file('{folder}/*', 'LineAsString')
SELECT * FROM file(concat('/', '{key}'), 'LineAsString')
SELECT * FROM fileCluster('default', '{key}', 'LineAsString')
SELECT * FROM filesystem('{folder}')
SELECT * FROM url('file://{key}', 'LineAsString')
SELECT * FROM s3('file://{key}', 'LineAsString')
SELECT * FROM executable('cat {key}', 'LineAsString', 'a String')
SELECT * FROM input('a String')
SELECT * FROM sqlite('{key}', 't')
SELECT * FROM merge('default', '.*')
SELECT * FROM merge('.*')
SELECT * FROM loop(default.`{key}`)
SELECT * FROM remote('127.0.0.1', view(SELECT file('{key}')))
SELECT * FROM cluster('default', view(SELECT file('{key}')))
SELECT * FROM format('LineAsString', file('{key}'))
SELECT * FROM dictionary('{key}')
SELECT * FROM iceberg('{folder}')
SELECT * FROM icebergLocal('{folder}')
SELECT * FROM deltaLakeLocal('{folder}')
SELECT * FROM python('key')
SELECT * FROM Python(key)
SELECT * FROM eval('SELECT file(''{key}'')')
SELECT * FROM fuzzQuery('SELECT file(''{key}'')')
SELECT * FROM '{key}'
SELECT * FROM `{key}`
SELECT * FROM "{key}"
SELECT * FROM default.`{key}`
SELECT * FROM `default`."{key}"
SELECT * FROM `default.{key}`
SELECT * FROM default.`{key}` AS hits
SELECT * FROM hits, default.`{key}`
SELECT * FROM hits JOIN default.`{key}.csv` AS b ON 1
SELECT '{secret}' IN default.`{key}`
SELECT '{secret}' IN (default.`{key}`)
SELECT in('{secret}', default.`{key}`)
SELECT '{secret}' NOT IN default.`{key}`
SELECT '{secret}' GLOBAL IN default.`{key}`
SELECT nullIn('{secret}', default.`{key}`)
WITH default.`{key}` AS t SELECT '{secret}' IN t
WITH default.`{key}` AS t SELECT * FROM t
SELECT * FROM {p:Identifier}
SELECT * FROM default.{p:Identifier}
SELECT * FROM {d:Identifier}.{p:Identifier}
SELECT '{secret}' IN {p:Identifier}
EXISTS TABLE default.`{key}`
SHOW CREATE TABLE default.`{key}`
SHOW COLUMNS FROM `{key}.csv` FROM default
SHOW TABLES FROM default
SELECT hasColumnInTable('default', '{key}.csv', 'second')
SELECT joinGet('default.{key}', 'a', 1)
SELECT dictGet('{key}', 'a', 1)
SELECT catboostEvaluate('{key}', 1)
SELECT naiveBayesClassifier('{key}', 'a')
SELECT regionToName(1)
SELECT showCertificate()
SELECT addressToLine(1)
SELECT logTrace('{key}')
SELECT 1 INTO OUTFILE '{key}.out'
SELECT 1 INTO OUTFILE '{key}' TRUNCATE
SELECT 1 INTO OUTFILE '{key}' APPEND FORMAT TSV
SELECT 1 AS a FORMAT Template SETTINGS format_template_row = '{key}'
SELECT 1 AS a SETTINGS format_template_row = '{key}' FORMAT Template
SELECT 1 AS a SETTINGS format_template_row = '{key}'
SELECT * FROM (SELECT 1 AS a SETTINGS format_schema = '{key}:M')
SELECT 1 AS a FORMAT Template
SELECT 1 AS a FORMAT Protobuf
EXPLAIN SELECT 1 AS a FORMAT Template
SELECT formatRow('Template', 1) SETTINGS format_template_row = '{key}'
SELECT 1 AS a FORMAT Protobuf SETTINGS format_schema = '{key}:M'
SELECT 1 AS a FORMAT CapnProto SETTINGS format_schema = '{key}:M'
SELECT 1 AS a FORMAT AvroConfluent SETTINGS format_avro_schema_registry_url = 'file://{key}'
SELECT 1 SETTINGS dialect = 'prql'
SELECT 1 SETTINGS readonly = 0
SELECT 1 SETTINGS max_execution_time = 0
SELECT 1 SETTINGS max_memory_usage = 99999999999999
SELECT 1 SETTINGS additional_table_filters = {'kastana.hits': 'file(''{key}'') = '''''}
SELECT * FROM system.processes
SELECT * FROM system.mutations
SELECT * FROM system.errors
SELECT * FROM system.user_query_log
SELECT * FROM system.named_collections
SELECT * FROM system.server_settings
SELECT * FROM system.`one.x`
SELECT * FROM kastana.system.processes
SELECT * FROM secret.hits
SELECT * FROM kastana.`se cret`
SELECT hits(1)
SELECT * FROM kastana.hits(x = 1)
SELECT getServerSetting('tmp_path'), hostName(), getMacro('x')
SELECT aiGenerate('{key}')
SELECT sleep(1)
SELECT __getScalar('{key}')
SELECT no_such_function(1)
SELECT fileIf('{key}', 1), sumFile(1)
file('{key}')
FROM file('{key}', 'LineAsString') SELECT *
(SELECT file('{key}'))
DESCRIBE default.visitor
DESCRIBE TABLE system.processes
SHOW CREATE TABLE system.mutations
SHOW CREATE VIEW default.visitor
EXISTS TABLE default.visitor
EXISTS DATABASE secret
SHOW CREATE DATABASE default
