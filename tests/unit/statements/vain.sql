SELECT arrayReduce('file', ['{key}'])
SELECT initializeAggregation('file', '{key}')
SELECT * FROM system.columns WHERE database = 'default' AND table = '{key}.csv'
SELECT * FROM system.tables WHERE database = 'default' AND name = '{key}.csv'
SELECT toDateTime(0, '{key}')
SELECT toDateTime(0, '../../../../../../..{key}')
