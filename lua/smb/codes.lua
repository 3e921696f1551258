--- The error codes and what they mean: `nil, message, code` is what every call returns that fails at run time.
-- @module smb.codes

return {
  { "not_found", "the file itself is missing" },
  { "folder_missing", "the folder, or the destination's own path, is missing" },
  { "share_missing", "the server has no such share" },
  { "exists", "it is there already" },
  { "is_directory", "it is a folder" },
  { "not_directory", "it is no folder" },
  { "not_empty", "the folder has something in it" },
  { "invalid_name", "SMB or the server cannot hold this name" },
  { "access_denied", "logged on, but not allowed" },
  { "auth_failed", "the logon was refused" },
  { "busy", "it is open or locked elsewhere" },
  { "no_space", "the disk is full, or a quota is reached" },
  { "host_not_found", "the server's name does not resolve; the local network is asked with broadcast = true" },
  { "unreachable", "the connection was refused, or there is no route" },
  { "timeout", "nothing moved for the time allowed" },
  { "disconnected", "the connection broke" },
  { "cancelled", "it was given up on request" },
  { "mismatch", "what arrived is not what was sent" },
  { "local_io", "the local side failed" },
  { "unsupported", "this server or library cannot" },
  { "protocol", "the server does not offer the dialect, signing or encryption that was required" },
  { "source_changed", "the file changed while it was read" },
  { "invalid_url", "the URL is wrong (smb.parse and smb.open only)" },
  { "failed", "anything else" },
}
