"""mongodump's formats: directories and archives, plain and packed with gzip, read and written.

reading        a dump → the state of one database in it
  directories  its files, and what their names stand for
  archives     its stream: collections that come interleaved, and their checksums
  checksum     CRC-64/XZ
  definitions  what is said of a collection, by any version of mongodump
  sorting      its documents, in the order of a snapshot
  spool        documents on their way, in a temporary file
  source       bytes: opened, unpacked, and what is wrong with them
writing        a state → a dump; says what mongorestore will make of it otherwise
"""
