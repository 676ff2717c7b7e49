-- Sends what traffic.py saved, in turn, with new ids in the gaps; for wrk.
--   wrk … -s traffic.lua URL -- FILE FIRST_ID
-- The last line it prints is JSON.

local requests, at, number = {}, 0, 0
local format, concat = string.format, table.concat

function init(args)
   local file = assert(io.open(args[1], "rb"))
   number = tonumber(args[2])
   for line in function() return file:read("*l") end do
      local pieces = {}
      for length in line:gmatch("%d+") do
         pieces[#pieces + 1] = file:read(tonumber(length))
      end
      requests[#requests + 1] = pieces
   end
   file:close()
end

function request()
   at = at % #requests + 1
   local pieces = requests[at]
   if #pieces == 1 then return pieces[1] end
   local parts = {pieces[1]}
   for place = 2, #pieces do
      number = number + 1
      parts[2 * place - 2] = format("%012x", number)
      parts[2 * place - 1] = pieces[place]
   end
   return concat(parts)
end

function done(summary, latency)
   local errors = summary.errors
   io.write(format(
      '\n{"requests": %d, "seconds": %.6f, "p50_ms": %.3f, "p90_ms": %.3f, ' ..
      '"p99_ms": %.3f, "max_ms": %.3f, "refused": %d, "broken": %d}\n',
      summary.requests, summary.duration / 1e6,
      latency:percentile(50) / 1e3, latency:percentile(90) / 1e3,
      latency:percentile(99) / 1e3, latency.max / 1e3, errors.status,
      errors.connect + errors.read + errors.write + errors.timeout))
end
