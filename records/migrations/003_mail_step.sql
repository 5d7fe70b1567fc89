-- The step that wrote a mail, so that a pathway's story tells of it where it belongs; 0 where it was written before this was kept.
alter table mail add column step int not null default 0;
