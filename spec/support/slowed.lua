--- Whether sanitizers, or a collector that is always at work, slow this run: it is for memory then. What time a call
-- takes, and what only many repetitions bring, the plain run shows.

return (os.getenv "ASAN_OPTIONS" or os.getenv "COLLECTED") ~= nil
