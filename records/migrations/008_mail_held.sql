-- While the mail service takes nothing, no delivery asks it: why, and until when. One row at most. When that time is over, one mail
-- is tried, until probed_until for the others, and what becomes of it lets all go or holds them anew.
create table mail_held (
    why          text not null, -- too-many, key, away
    status       int not null,  -- what it answered; 0: nothing
    since        timestamptz not null default now(),
    until        timestamptz not null,
    times        int not null default 1, -- how often it has been held in a row
    probed_until timestamptz
);
create unique index mail_held_once on mail_held ((true));

-- Whoever sent a mail may say so late: when it was taken for unknown, and is to be sent again.
drop index mail_claim;
create index mail_claim on mail (claim) where status in ('claimed', 'unknown', 'pending');
