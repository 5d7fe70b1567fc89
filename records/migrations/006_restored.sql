-- Each time that the whole cluster was restored from a backup. While the last of them is not resumed, no mail goes out.
create table restored (
    id          uuid primary key default gen_random_uuid(), -- never one that a database restored meanwhile has forgotten
    restored_to timestamptz not null,
    restored_at timestamptz not null default now(),
    command     text not null,
    resumed_at  timestamptz
);
create unique index restored_once on restored ((true)) where resumed_at is null;

-- The restore of which a pathway has yet to hear, which it does with its next step.
alter table pathway add column unheard uuid references restored;
create index pathway_unheard on pathway (code) where unheard is not null;
