SELECT 1
SELECT site, count() AS views, uniq(id) FROM hits GROUP BY site ORDER BY views DESC, site LIMIT 10;
select * from kastana.hits order by id -- with a comment; and a semicolon
SELECT /* file('x') */ 'file(''/etc/passwd'')' AS text, `id` AS `the id` FROM hits ORDER BY id
SELECT count(*), sum(id), avg(id), quantiles(0.5, 0.9)(id), countIf(id > 1), uniqExactIf(id, 1), avgOrNull(id) FROM hits
SELECT site, groupArray(3)(id), sumMap(map(site, id)), argMax(id, at), groupUniqArrayArray([id]) FROM hits GROUP BY site ORDER BY site
SELECT toStartOfHour(at) AS hour, count() FROM hits GROUP BY hour ORDER BY hour WITH FILL STEP INTERVAL 1 HOUR
WITH x AS (SELECT id FROM hits), 2 AS y SELECT id FROM x WHERE id IN (SELECT id FROM hits) AND y IN (1, 2) ORDER BY id
WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < 10) SELECT sum(n) FROM t
SELECT id FROM hits WHERE id IN hits_ids ORDER BY id
SELECT a.id, b.events FROM hits AS a LEFT JOIN hits_rollup AS b USING (site) ORDER BY a.id
SELECT * EXCEPT (note) REPLACE (id + 1 AS id) APPLY (toString) FROM hits ORDER BY ALL
SELECT row_number() OVER w, lagInFrame(id) OVER w, sum(id) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM hits WINDOW w AS (PARTITION BY site ORDER BY id) ORDER BY site, id
SELECT 1 UNION ALL SELECT 2 UNION DISTINCT SELECT 3 ORDER BY 1
(SELECT 1) INTERSECT (SELECT 1) EXCEPT (SELECT 2)
SELECT DISTINCT ON (site) site FROM hits ORDER BY site
SELECT site FROM hits GROUP BY GROUPING SETS ((site), ()) ORDER BY site
SELECT site, count() FROM hits GROUP BY site WITH ROLLUP ORDER BY site
SELECT number, -number, number % 3, number / 2 FROM numbers(5) WHERE NOT number = 2 AND number BETWEEN 1 AND 4
SELECT * FROM values('a Int8, b String', (1, 'x'), (2, 'y'))
SELECT * FROM view(SELECT 1 AS one)
SELECT arrayMap(x -> x + 1, [1, 2]) AS a, tuple(1, 'b').2, map('k', 1)['k'], arrayJoin([1, 2]) AS j
SELECT CAST(1 AS String), 1::Int8, '2026-01-02'::Date, DATE '2026-01-02', INTERVAL 1 DAY, CASE WHEN 1 THEN 2 ELSE 3 END
SELECT 0.1 + 0.2, 1e3, 0xFF, -1, 1.5e-10, 18446744073709551615, 340282366920938463463374607431768211455, inf, true, NULL, [NULL, 1]
SELECT 'it''s', 'tab\tnew\nline', 'back\\slash', 'quote\'s', 'é ☃', '\0', 'percent %s %(x)s'
SELECT exists(SELECT 1), (SELECT max(id) FROM hits) AS m, 3 IN (SELECT id FROM hits), untuple((1, 2))
SELECT id FROM hits FINAL PREWHERE id > 0 WHERE site LIKE '%a%' OR match(site, '^b') LIMIT 1 BY site LIMIT 5 OFFSET 0
SELECT id FROM hits ORDER BY id LIMIT 1 SETTINGS max_threads = 1
SELECT sum(number) FROM numbers(10) SETTINGS join_use_nulls = 1, max_execution_time = 5
EXPLAIN SELECT id FROM hits
EXPLAIN PLAN header = 1, actions = 1 SELECT id FROM hits
EXPLAIN AST SELECT 1
EXPLAIN SYNTAX SELECT id FROM hits
EXPLAIN QUERY TREE SELECT 1
EXPLAIN PIPELINE SELECT 1
EXPLAIN indexes = 1 SELECT id FROM hits WHERE id = 1
SHOW DATABASES
SHOW TABLES
SHOW TABLES FROM kastana LIKE 'hits%'
SHOW TABLES FROM system LIKE 'one'
SHOW SETTINGS LIKE 'max_block_size'
SHOW COLUMNS FROM hits FROM kastana
SHOW INDEX FROM hits
SHOW FUNCTIONS LIKE 'sum'
SHOW CREATE TABLE kastana.hits
SHOW CREATE DATABASE kastana
DESCRIBE hits
DESC TABLE kastana.hits
DESCRIBE (SELECT id, site FROM hits)
EXISTS TABLE hits
EXISTS kastana.nothing
SELECT name FROM system.tables WHERE database = 'kastana' ORDER BY name
SELECT name, type FROM system.columns WHERE table = 'hits'
SELECT name, value FROM system.settings WHERE name = 'max_block_size'
SELECT table_name FROM information_schema.tables WHERE table_schema = 'kastana' ORDER BY 1
SELECT version(), timezone(), currentDatabase(), currentUser()
SELECT 1 AS `a;b`, ';' AS c, "x;y" FROM (SELECT 2 AS `x;y`)
WITH t(a) AS (SELECT 1), u AS MATERIALIZED (SELECT 2 AS b) SELECT a, b FROM t, u
SELECT COLUMNS(id), hits.COLUMNS('site'), hits.COLUMNS(id, site) FROM hits ORDER BY id
SELECT quantile(0.5)(id) IGNORE NULLS, any(site) IGNORE NULLS FROM hits
SELECT id AS file FROM hits ORDER BY id
