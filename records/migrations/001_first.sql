create extension if not exists btree_gist;

-- Names, addresses and birth dates live here and nowhere else.
create table client (
    id          uuid primary key default gen_random_uuid(),
    given_name  text not null,
    family_name text not null,
    birth_date  date not null,
    email       text not null,
    phone       text not null,
    created_at  timestamptz not null default now()
);
create index client_email on client (lower(email));
create index client_name on client (lower(family_name), lower(given_name));

-- One row an enrolment. Everything from phase on is a read model, written with each step.
create table pathway (
    code         text primary key,
    client       uuid not null references client,
    enrolment    jsonb not null,
    enrolled_at  timestamptz not null,
    started_at   timestamptz,
    therapist    text not null,
    prescriber   text not null,
    last_step    int not null default 0,
    last_digest  text not null default '',
    phase        text not null default 'screening',
    outcome      text not null default '',
    attention    text not null default 'none',
    waiting_on   text[] not null default '{}',
    dosing_done  int not null default 0,
    next_session timestamptz,
    next_wake    timestamptz,
    as_of        timestamptz,
    status       json
);

-- body and answer are json, not jsonb: a digest is taken of the text as it was written.
create table step (
    pathway    text not null references pathway,
    number     int not null,
    digest     text not null,
    body       json not null,
    answer     json not null,
    written_at timestamptz not null default now(),
    primary key (pathway, number)
);

create table journal (
    id         bigint generated always as identity primary key,
    pathway    text not null references pathway,
    step       int not null,
    kind       text not null,
    name       text not null,
    by         text not null default '',
    message_id text not null default '',
    at         timestamptz not null,
    recorded   timestamptz not null,
    code       text not null default '',
    text       text not null,
    message    json    -- as it was said: jsonb refuses some of what JSON allows, and would stop the pathway for good
);
create index journal_pathway on journal (pathway, id);

create function journal_is_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'the journal is never changed: correct an entry with a new one';
end $$;
create trigger journal_is_append_only before update or delete on journal
    for each row execute function journal_is_append_only();

create table appointment (
    pathway   text not null references pathway,
    name      text not null,
    kind      text not null,
    number    int not null,
    therapist text not null,
    client    uuid not null references client,
    during    tstzrange not null check (not isempty(during) and lower_inc(during) and not upper_inc(during)),
    revision  int not null,
    state     text not null,
    primary key (pathway, name),
    -- Judged at the end of the transaction: a move takes a dosing session and its integration along together.
    constraint therapist_is_free exclude using gist (therapist with =, during with &&) where (state = 'booked') deferrable initially deferred,
    constraint client_is_free exclude using gist (client with =, during with &&) where (state = 'booked') deferrable initially deferred
);

create table task (
    pathway text not null references pathway,
    key     text not null,
    who     text[] not null,
    what    text not null,
    since   timestamptz not null,
    due     timestamptz not null,
    urgent  boolean not null,
    message text not null,
    primary key (pathway, key)
);

-- The outbox. A claim has a lease; one that ran out is unknown, because nobody can say whether the mail went out.
create table mail (
    id          uuid primary key default gen_random_uuid(),
    pathway     text not null references pathway,
    key         text not null,
    body        jsonb not null,
    status      text not null default 'pending',
    claim       uuid,
    claimed_until timestamptz,
    attempts    int not null default 0,
    created_at  timestamptz not null default now(),
    settled_at  timestamptz,
    taken_back  boolean not null default false, -- withdrawn while it was being sent: where that fails, it is not tried again
    unique (pathway, key)
);
