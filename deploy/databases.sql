-- Makes kap's database and Temporal's two, each role with its own and nothing else, so that no mistake of the worker's reaches
-- Temporal's tables. PostgreSQL's image runs this with psql, once, when its volume is new.
\getenv database_password DATABASE_PASSWORD
\getenv temporal_database_password TEMPORAL_DATABASE_PASSWORD

CREATE ROLE kap LOGIN PASSWORD :'database_password';
CREATE ROLE temporal LOGIN PASSWORD :'temporal_database_password';

CREATE DATABASE kap OWNER kap;
CREATE DATABASE temporal OWNER temporal;
CREATE DATABASE temporal_visibility OWNER temporal;

REVOKE CONNECT ON DATABASE kap, temporal, temporal_visibility FROM PUBLIC;
