#pragma once

// A listening unix socket with the owner, the mode and the manners of product.md section 6: 0660,
// group `sluice` where that group exists; a socket that somebody listens on is never taken away.
// Removes its file when it goes. Control thread only.

#include <string>

#include "base/result.h"

namespace sluice {

class Listener {
 public:
  Listener() = default;
  ~Listener();
  Listener(Listener&& other) noexcept;
  Listener& operator=(Listener&& other) noexcept;

  // Makes the directory (0755) if only it is missing. A socket file that nobody listens on is a
  // leftover and is replaced; anything else in its place is left alone. Codes: "socket-in-use",
  // "socket-path" (too long, or no socket there), "socket-failed".
  static Result<Listener> open(const std::string& path);

  int fd() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  const std::string& path() const { return path_; }

 private:
  int fd_ = -1;
  std::string path_;
};

}  // namespace sluice
