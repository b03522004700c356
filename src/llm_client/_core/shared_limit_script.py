"""The one script that keeps limits for many processes in Redis: windows, turns, leases, and what was learned.

It does what `window.py`, `turns.py` and `limit_learning.py` do for one process, on one state for each endpoint, key and
model, by the server's clock. Each call of the script

1. notes whose turn has come, and what has left the window;
2. takes back what workers held whose lease has ended, and renews the caller's;
3. settles what the caller tells of its earlier requests, and learns from it;
4. works out the turns of all waiters anew, where any of this moved them;
5. gives the caller its turns, or tells how long it is until those that it has.

The state: a few numbers in `KEYS[1]`, amounts by slot of time in the hash `KEYS[2]`, reservations by id in the hash
`KEYS[3]`, waiters by turn in the sorted set `KEYS[4]`, workers by the end of their lease in the sorted set `KEYS[5]`.
Two sums run over the slots: over the window that ends now, and over the one that ends with the last turn given.
"""

from __future__ import annotations

import hashlib

SCRIPT = r"""
local SLOTS, EPS, MOST_WINDOWS, KEPT = 200, 1e-6, 100, 3600000
local SLACK, HASTE, TOLERANCE, MORE, ENOUGH = 0.015, 1.2, 0.02, 0.005, 20
local SOON, POLLING_FOR_EACH = 0.1, 1e-3
local LEAST_STEP, LARGEST_STEP, STEP_GROWTH = 1 / 300, 1 / 20, 1.5
local PLAINLY_LESS, CLEAN_WINDOWS, CLEAN_REQUESTS, RAISE, LOWER = 0.9, 5, 1000, 1.05, 0.95
local MEMORY, ON_THE_WAY, FEW, SECONDS_FOR_EACH, TINY = 0.1, 1 / 50, 16, 1e-4, 1e-6
local NONE, NEVER = -1, -1e18
local REQUESTS, TOKENS, INPUT, OUTPUT = 1, 2, 3, 4
local RECORD, SLOT = '<' .. string.rep('d', 18), '<' .. string.rep('d', 6)

local ask = cjson.decode(ARGV[1])
local state_key, slots_key, open_key, queue_key, workers_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local clock = redis.call('TIME')
local now = ask.at or (tonumber(clock[1]) + tonumber(clock[2]) / 1e6)
local length = ask.length
local width = length / SLOTS

local function zeros() return {0, 0, 0, 0} end
local function nones() return {NONE, NONE, NONE, NONE} end
local raw = redis.call('GET', state_key)
local S = raw and cmsgpack.unpack(raw)
if not S then
  local start = math.floor(now / width)
  S = {
    now = now, hold = 0, spacing = 0, last = 0, free = 0, settled_last = 0, settled_free = 0,
    low = start, high = start - 2 * SLOTS,
    N = {right = start, sum = zeros()}, F = {right = start, sum = zeros()},
    flying = zeros(), landed = zeros(), left = zeros(), announced = nones(), found = nones(), before = nones(),
    estimated = zeros(), settled = zeros(), true_shares = {1, 1, 1, 1}, output = 0,
    last_refusal = NEVER, refused_at = NEVER, found_at = NEVER, round = {}, probing = {},
    clean_since = NEVER, clean = 0, stale = false, moved = false, worked_out = 0,
  }
end
now = math.max(now, S.now)
S.now = now
local N, F = S.N, S.F

-- slots of time --------------------------------------------------------------------------------------------

local seen, dirty = {}, {}
local function slot(index)
  local found = seen[index]
  if not found then
    local stored = index <= S.high and index >= S.low and redis.call('HGET', slots_key, index)
    found = stored and {struct.unpack(SLOT, stored)} or {0, 0, 0, 0, 0, 0}
    seen[index] = found
  end
  return found
end

local function touch(index)
  dirty[index] = true
  if index > S.high then S.high = index end
  if index < S.low then S.low = index end
end

local function add(dimension, index, amount)
  local place = slot(index)
  if place[dimension] + amount < 0 then amount = -place[dimension] end
  if amount == 0 then return 0 end
  place[dimension] = place[dimension] + amount
  touch(index)
  if index <= N.right and index >= N.right - SLOTS then N.sum[dimension] = N.sum[dimension] + amount end
  if index <= F.right and index >= F.right - SLOTS then F.sum[dimension] = F.sum[dimension] + amount end
  return amount
end

-- Amounts above the limit are counted against the windows that follow.
local function spread(dimension, index, amount, step, sign)
  local windows = 1
  while step > 0 and amount > step and windows < MOST_WINDOWS do
    add(dimension, index, sign * step)
    amount, index, windows = amount - step, index + SLOTS + 1, windows + 1
  end
  if step > 0 and amount > step then amount = step end
  add(dimension, index, sign * amount)
end

local function roll(window, right, counted)
  local stop = math.min(right, S.high + SLOTS + 1)
  for index = window.right + 1, stop do
    local coming, going = slot(index), slot(index - SLOTS - 1)
    for dimension = 1, 4 do
      window.sum[dimension] = window.sum[dimension] + coming[dimension] - going[dimension]
      if counted then S.left[dimension] = S.left[dimension] + going[dimension] end
    end
  end
  window.right = right
  if right > S.high + SLOTS then window.sum = zeros() end
end

local function index_of(at) return math.floor(at / width) end

-- Put back what was taken about that time; clocks of workers and this one differ by a little.
local function give(dimension, amount, at)
  local middle = index_of(at)
  for _, step in ipairs({0, 1, -1, 2, -2}) do
    local index = middle + step
    if amount <= 0 then return end
    if index >= N.right - SLOTS and index <= N.right then amount = amount + add(dimension, index, -amount) end
  end
end

local function forget(dimension, amount)
  for index = N.right - SLOTS, N.right do
    if amount <= EPS then return end
    amount = amount + add(dimension, index, -amount)
  end
end

-- limits ---------------------------------------------------------------------------------------------------

local limits = {}
local function apply(dimension)
  local known = S.announced[dimension] ~= NONE and S.announced[dimension] or S.found[dimension]
  local cap = ask.caps[dimension]
  if known ~= NONE then known = known - math.floor(known * SLACK) end
  local limit = known
  if known == NONE then limit = cap elseif cap ~= NONE then limit = math.min(known, cap) end
  if limits[dimension] ~= limit then
    if limits[dimension] ~= nil then S.moved = true end
    limits[dimension] = limit
  end
end
for dimension = 1, 4 do apply(dimension) end

local function gap(record)
  local share = 0
  for dimension = 1, 4 do
    local limit, amount = limits[dimension], record.amounts[dimension] * S.true_shares[dimension]
    if limit ~= NONE and amount > share * limit then share = amount / limit end
  end
  return share * length / HASTE
end

-- reservations ---------------------------------------------------------------------------------------------

local function read_record(id)
  local stored = redis.call('HGET', open_key, id)
  if not stored then return nil end
  local v = {struct.unpack(RECORD, stored)}
  return {
    turn = v[1], index = v[2], amounts = {v[3], v[4], v[5], v[6]}, steps = {v[7], v[8], v[9], v[10]},
    landed = {v[11], v[12], v[13], v[14]}, left = {v[15], v[16], v[17], v[18]},
  }
end

local function write_record(id, record)
  local a, s, l, w = record.amounts, record.steps, record.landed, record.left
  redis.call('HSET', open_key, id, struct.pack(RECORD, record.turn, record.index, a[1], a[2], a[3], a[4],
    s[1], s[2], s[3], s[4], l[1], l[2], l[3], l[4], w[1], w[2], w[3], w[4]))
end

local function waiting() return redis.call('ZCARD', queue_key) end

local function place(record, start)
  local right = index_of(start)
  if right > F.right then roll(F, right) end
  local begun = F.right
  local fits = false
  while not fits do
    fits = true
    for dimension = 1, 4 do
      local limit, amount = limits[dimension], record.amounts[dimension]
      if limit ~= NONE and amount > 0 and F.sum[dimension] + math.min(amount, limit) - limit > EPS then fits = false end
    end
    if F.right > S.high + SLOTS then fits = true end
    if not fits then roll(F, F.right + 1) end
  end
  record.turn, record.index = start, F.right
  if F.right > begun then record.turn = math.max(start, F.right * width) end
  for dimension = 1, 4 do
    local limit, amount = limits[dimension], record.amounts[dimension]
    record.steps[dimension] = limit ~= NONE and amount > limit and limit or 0
    if amount > 0 then spread(dimension, record.index, amount, record.steps[dimension], 1) end
  end
  S.last = record.turn
end

local function unplace(record)
  for dimension = 1, 4 do
    spread(dimension, record.index, record.amounts[dimension], record.steps[dimension], -1)
  end
end

-- The turn of a record has come: from now on its request may be on its way.
local function come(record)
  for dimension = 1, 4 do S.flying[dimension] = S.flying[dimension] + record.amounts[dimension] end
  record.landed = {S.landed[1], S.landed[2], S.landed[3], S.landed[4]}
  record.left = {S.left[1], S.left[2], S.left[3], S.left[4]}
  S.settled_last = math.max(S.settled_last, record.turn)
end

local function land(record)
  for dimension = 1, 4 do
    S.flying[dimension] = S.flying[dimension] - record.amounts[dimension]
    S.landed[dimension] = S.landed[dimension] + record.amounts[dimension]
  end
end

local function give_back(id, record)
  if redis.call('ZREM', queue_key, id) == 0 then land(record) end
  unplace(record)
  redis.call('HDEL', open_key, id)
  S.stale = true
end

local function place_all()
  S.stale, S.moved, S.worked_out = false, false, now
  local ids = redis.call('ZRANGE', queue_key, 0, -1)
  local records = {}
  for number, id in ipairs(ids) do
    records[number] = read_record(id)
    if records[number] then unplace(records[number]) else redis.call('ZREM', queue_key, id) end
  end
  F.right, F.sum = N.right, {N.sum[1], N.sum[2], N.sum[3], N.sum[4]}
  S.last, S.free = S.settled_last, S.settled_free
  for number, id in ipairs(ids) do
    local record = records[number]
    if record then
      place(record, math.max(now, S.last + math.max(S.spacing, TINY), S.hold, S.free))
      S.free = record.turn + gap(record)
      write_record(id, record)
      redis.call('ZADD', queue_key, string.format('%.17g', record.turn), id)
    end
  end
end

-- learning -------------------------------------------------------------------------------------------------

local function through(dimension, first, last)
  local count = 0
  for index = math.max(index_of(first), S.low), math.min(index_of(last), S.high) do
    local middle = (index + 0.5) * width
    if first < middle and middle <= last then count = count + slot(index)[4 + dimension] end
  end
  return count
end

local function suspect(at)
  local found = S.found[REQUESTS]
  if S.found[TOKENS] ~= NONE then return TOKENS end
  if found == NONE or at - S.found_at < 2 * length then return REQUESTS end
  if through(REQUESTS, at - length, at) >= found * PLAINLY_LESS then return REQUESTS end
  S.found[REQUESTS] = NONE
  apply(REQUESTS)
  return TOKENS
end

local function unknown(about, at)
  if #about == 2 then
    for dimension = 1, 4 do if S.announced[dimension] ~= NONE then return {} end end
    about = {suspect(at)}
  end
  local open = {}
  for _, dimension in ipairs(about) do
    if dimension > 0 and S.announced[dimension] == NONE then open[#open + 1] = dimension end
  end
  return open
end

local function recount(at, final)
  local round = S.round
  if not round.about then return end
  if not final and at > round.stop and #S.probing == 0 then S.round = {} return end
  if final then S.round = {} end
  local enough = through(REQUESTS, round.start, round.stop)
  if enough < ENOUGH then return end
  for _, dimension in ipairs(round.about) do
    if dimension == REQUESTS or dimension == TOKENS then
      local count, before = through(dimension, round.start, round.stop), S.before[dimension]
      if before == NONE and S.found[dimension] == NONE then S.found_at = at end
      if before ~= NONE then count = math.min(before, math.max(count, before * LOWER)) end
      S.found[dimension] = math.max(count, 1)
      apply(dimension)
    end
  end
end

local function refused(op, record, at, asked)
  if #op.about == 0 then return end
  S.last_refusal = at
  local about = unknown(op.about, at)
  local first = record.turn > S.refused_at
  if asked == NONE and (first or #S.probing > 0) then
    if #S.probing == 0 then S.probing = #about > 0 and about or {NONE} end
    S.spacing = math.min(math.max(S.spacing * STEP_GROWTH, length * LEAST_STEP), length * LARGEST_STEP)
    S.hold, S.moved = math.max(S.hold, at + S.spacing), true
  end
  if not first then
    if asked ~= NONE and S.round.about and at + asked < S.round.stop then
      S.round.start, S.round.stop = at + asked - length, at + asked
    end
    return
  end
  -- Whatever had its turn before this was known belongs to the same wave.
  S.refused_at, S.clean_since, S.clean = now, now, 0
  S.before = {S.found[1], S.found[2], S.found[3], S.found[4]}
  local stop = asked == NONE and at or at + asked
  S.round = {start = stop - length, stop = stop, about = about}
end

local function passed(record, at)
  if #S.probing > 0 and record.turn > S.refused_at then
    S.round = {start = S.last_refusal - length, stop = at, about = S.probing}
    S.probing, S.spacing, S.hold, S.moved = {}, 0, 0, true
    recount(at, true)
  end
  S.clean = S.clean + 1
  if S.clean >= CLEAN_REQUESTS and at - S.clean_since >= CLEAN_WINDOWS * length and waiting() > 0 then
    S.clean_since, S.clean = at, 0
    for dimension = 1, 4 do
      if S.found[dimension] ~= NONE then
        S.found[dimension] = S.found[dimension] * RAISE
        apply(dimension)
      end
    end
  end
end

local function believe(said, record, at)
  local dimension, limit, remaining = said[1], said[2], said[3]
  if S.announced[dimension] ~= limit then
    S.announced[dimension] = limit
    apply(dimension)
  end
  if remaining == NONE or not record.known then return end
  local room = limit - N.sum[dimension]
  -- The server counted at some moment between sending and now. What was on its way at any time since, it may not have
  -- counted yet; what left the window since, it may still have counted.
  local most = room + S.flying[dimension] + S.landed[dimension] - record.landed[dimension]
  local least = room - (S.left[dimension] - record.left[dimension])
  if remaining < least - limit * TOLERANCE then
    spread(dimension, N.right, least - remaining, limits[dimension], 1)
  elseif remaining > most + limit * MORE then
    forget(dimension, remaining - most)
  end
end

local function answered(op)
  local at = now - op.age
  local sent = math.min(at, now - op.sent + length * ON_THE_WAY)
  local record = read_record(op.id)
  if record then
    if redis.call('ZREM', queue_key, op.id) == 1 then come(record) end
    redis.call('HDEL', open_key, op.id)
    record.known = true
    land(record)
  else  -- its lease ended, or it was made while this server was away
    record = {turn = now - op.sent, index = index_of(now - op.sent), amounts = op.amounts, steps = zeros()}
    for dimension = 1, 4 do
      local inside = record.index >= N.right - SLOTS and record.index <= N.right
      if inside then add(dimension, record.index, record.amounts[dimension]) end
    end
  end
  S.stale = true
  if op.status == 429 then
    unplace(record)
  else
    -- Count it from when the server is likely to have counted it: a busy program sends late.
    local index = math.min(index_of(sent), N.right)
    if index ~= record.index then
      for dimension = 1, 4 do
        local amount = record.amounts[dimension]
        if amount > 0 and record.steps[dimension] == 0 then
          local inside = record.index >= N.right - SLOTS
          local taken = -add(dimension, record.index, -amount)
          if inside then add(dimension, index, taken) end
        end
      end
    end
    record.turn = sent
  end
  for _, said in ipairs(op.said) do believe(said, record, at) end
  if op.asked ~= NONE and at + op.asked > S.hold then S.hold, S.moved = at + op.asked, true end
  if op.status == 429 then
    refused(op, record, at, op.asked)
  elseif op.status >= 200 and op.status < 300 then
    passed(record, at)
    if #op.said == 0 then
      local place = slot(index_of(at))
      place[5], place[6] = place[5] + record.amounts[REQUESTS], place[6] + record.amounts[TOKENS]
      touch(index_of(at))
    end
  end
end

local function used(op)
  local more_input, more_output = 0, 0
  if op.input ~= NONE then more_input = op.input - op.amounts[INPUT] end
  if op.output ~= NONE then
    more_output = op.output - op.amounts[OUTPUT]
    S.output = S.output + (op.output - S.output) * MEMORY
  end
  for dimension, more in pairs({[TOKENS] = more_input + more_output, [INPUT] = more_input, [OUTPUT] = more_output}) do
    if more > 0 then
      spread(dimension, N.right, more, math.max(limits[dimension], 0), 1)
    elseif more < 0 then
      give(dimension, -more, now - op.age)
    end
    -- Turns are spaced by what requests of the usual size turn out to be, not by what they were taken for.
    local estimate = op.amounts[dimension]
    S.estimated[dimension] = S.estimated[dimension] + (estimate - S.estimated[dimension]) * MEMORY
    S.settled[dimension] = S.settled[dimension] + (estimate + more - S.settled[dimension]) * MEMORY
    if S.estimated[dimension] > 0 then
      S.true_shares[dimension] = math.max(0, math.min(1, S.settled[dimension] / S.estimated[dimension]))
    end
  end
  S.stale = true
end

-- 1: time has passed ---------------------------------------------------------------------------------------

local due = redis.call('ZRANGEBYSCORE', queue_key, '-inf', string.format('%.17g', now))
for number, id in ipairs(due) do
  local record = read_record(id)
  if record then
    come(record)
    write_record(id, record)
    if number == #due then S.settled_free = record.turn + gap(record) end
  end
end
if #due > 0 then
  redis.call('ZREMRANGEBYSCORE', queue_key, '-inf', string.format('%.17g', now))
  if waiting() == 0 then S.free = S.settled_free end
end
roll(N, index_of(now), true)
if S.last <= now or F.right < N.right then F.right, F.sum = N.right, {N.sum[1], N.sum[2], N.sum[3], N.sum[4]} end

-- 2: leases ------------------------------------------------------------------------------------------------

local ended = redis.call('ZRANGEBYSCORE', workers_key, '-inf', string.format('%.17g', now))
for _, worker in ipairs(ended) do
  if worker ~= ask.worker then
    local open = redis.call('HKEYS', open_key)
    for _, id in ipairs(open) do
      if string.sub(id, 1, #worker + 1) == worker .. ':' then give_back(id, read_record(id)) end
    end
    redis.call('ZREM', workers_key, worker)
    S.moved = true
  end
end
redis.call('ZADD', workers_key, string.format('%.17g', now + ask.lease), ask.worker)

-- 3: what the caller tells -----------------------------------------------------------------------------------

for _, op in ipairs(ask.told) do
  if op.kind == 'answered' then
    answered(op)
  elseif op.kind == 'used' then
    used(op)
  else
    local record = read_record(op.id)
    if record then give_back(op.id, record) end
  end
end
if #ask.told > 0 then recount(now, false) end

-- 4: turns ---------------------------------------------------------------------------------------------------

local many = waiting()
if many == 0 then
  S.stale, S.moved = false, false
  if S.last > now then
    S.last, F.right, F.sum = math.min(S.last, now), N.right, {N.sum[1], N.sum[2], N.sum[3], N.sum[4]}
  end
elseif S.moved or (S.stale and (many <= FEW or now - S.worked_out >= many * SECONDS_FOR_EACH)) then
  place_all()
end

-- 5: a turn for each who wants one ------------------------------------------------------------------------------

local turns = {}
for number, want in ipairs(ask.wants) do
  local record = read_record(want.id)
  if not record then
    local output = S.output * want.requests
    record = {
      amounts = {want.requests, want.tokens + output, want.tokens, output},
      steps = zeros(), landed = zeros(), left = zeros(),
    }
    local start = math.max(now, S.hold)
    if waiting() > 0 then start = math.max(start, S.last + TINY, S.free) end
    if S.spacing > 0 then start = math.max(start, S.last + S.spacing) end
    place(record, start)
    if record.turn <= now then
      come(record)
      S.settled_free = 0
    else
      S.free = record.turn + gap(record)
      redis.call('ZADD', queue_key, string.format('%.17g', record.turn), want.id)
    end
    write_record(want.id, record)
  end
  local delay = 0
  if record.turn > now then
    delay = math.max(record.turn, S.hold) - now
    -- Spaced turns all come closer at once as soon as one got through, and whoever sleeps does not notice.
    if S.spacing > 0 then delay = math.min(delay, math.max(SOON, waiting() * POLLING_FOR_EACH)) end
  elseif S.spacing == 0 then
    delay = math.max(0, S.hold - now)
  end
  local amounts = record.amounts
  turns[number] = {delay, amounts[1], amounts[2], amounts[3], amounts[4]}
end

-- and all of it is kept for a while ----------------------------------------------------------------------------

for index in pairs(dirty) do
  local place = seen[index]
  redis.call('HSET', slots_key, index, struct.pack(SLOT, place[1], place[2], place[3], place[4], place[5], place[6]))
end
local gone = math.min(N.right - 2 * SLOTS, S.high + 1)
for index = S.low, gone - 1 do redis.call('HDEL', slots_key, index) end
if gone > S.low then S.low = gone end
redis.call('SET', state_key, cmsgpack.pack(S))
local kept = math.floor(KEPT + 1000 * (math.max(0, S.last - now) + 2 * length + ask.lease))
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, kept) end

local known = {}
for dimension = 1, 4 do known[dimension] = limits[dimension] end
return cjson.encode({
  turns = turns, hold = math.max(0, S.hold - now), limits = known, workers = redis.call('ZCARD', workers_key),
})
"""

SHA = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()
"""The name that a server gives the script."""


def keys_of(base_url: str, api_key: str | None, model: str, name: str, length: float) -> list[str]:
    """The keys of one endpoint, key and model, all in one slot of a cluster; none shows the API key.

    Args:
        base_url: Of the endpoint.
        api_key: Its key.
        model: The model.
        name: Sets fleets apart that share a server but no limits.
        length: Seconds in which limits count.
    """
    digest = hashlib.sha256()
    for part in (base_url, api_key or "", model, name, repr(float(length))):
        digest.update(hashlib.sha256(part.encode("utf-8", "surrogatepass")).digest())
    stem = f"llm_limits:{{{digest.hexdigest()[:32]}}}:"
    return [stem + part for part in ("state", "slots", "open", "queue", "workers")]
