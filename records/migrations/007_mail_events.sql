-- What became of each mail after the mail service had it, and each address that staff have corrected: coded values, no address and no
-- word of a server's. It is also the queue of what pathways have yet to hear.
create table mail_event (
    id          text primary key,                       -- the mail service's: it tells one event several times
    number      bigint generated always as identity,    -- in which order it was learned of
    pathway     text not null references pathway,
    mail        uuid references mail,                   -- none: the address was corrected
    event       text not null,
    reason      text not null default '',
    by          text not null default '',               -- who corrected the address
    at          timestamptz not null,                   -- by the mail service's clock
    received_at timestamptz not null default now(),
    weighed     boolean not null default false,         -- the outbox reflects it, and whether the pathway is to hear is decided
    unheard     boolean not null default false,         -- the pathway has yet to hear
    told_at     timestamptz                             -- when it was told that there is something to hear
);
create index mail_event_mail on mail_event (mail);
create index mail_event_unweighed on mail_event (number) where not weighed;
create index mail_event_unheard on mail_event (pathway, number) where unheard;
create index mail_event_lost on mail_event (received_at) where event in ('bounced', 'blocked', 'dropped');

-- How often a client's address was corrected, and to which of them a mail went: what comes back from the one before says nothing of it.
alter table client add column address int not null default 0;
alter table mail add column address int not null default 0;

-- Whether mail goes to the client, as of the last step: a mail that was let go before is not sent after.
alter table pathway add column mailing boolean not null default true;
