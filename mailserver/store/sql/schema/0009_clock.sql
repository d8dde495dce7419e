-- What the service makes of the machine's clock (`mailserver.values.clock`): one row.
CREATE TABLE clock (
    only_one      {integer} NOT NULL PRIMARY KEY, -- 1
    wall_s        {real} NOT NULL,
    steady_s      {real} NOT NULL,
    boot          TEXT NOT NULL,
    believed_s    {real} NOT NULL,
    strayed_at_s  {real},
    behind_from_s {real},
    newest_id     {integer} NOT NULL,
    step_s        {real} NOT NULL,
    stepped_at_s  {real},
    bounded_count {integer} NOT NULL,
    bounded_at_s  {real}
) {clustered};

-- When somebody suspended it: what lasts until then is counted from that moment.
ALTER TABLE destination ADD COLUMN suspended_at_s {real};
