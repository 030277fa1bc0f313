-- Vacant slots; one that somebody else is about to take is passed over, where the server can.
SELECT slot FROM musterd_member WHERE member_id IS NULL ORDER BY slot LIMIT {most}
FOR UPDATE /*M!100600 SKIP LOCKED */ /*!80001 SKIP LOCKED */
