-- A message is asked for as a forward of ours by its Message-ID.
CREATE INDEX forward_message_id ON forward (message_id);
