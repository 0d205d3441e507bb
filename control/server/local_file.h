#pragma once

// Which files the control thread may read: those whose read() answers from this machine's own
// memory or disks.
//
// A regular file of FUSE or of a network may keep a reader waiting for as long as whoever serves it
// likes, and files of /proc and /sys are regular by name only.

namespace sluice {

// True for a regular file in memory (tmpfs, memfd) or on a local file system. Any thread.
bool is_local_file(int descriptor);

}  // namespace sluice
