#pragma once

// Where finished lines go. A sink may be slow and may fail; it is called by the export thread
// only, so it never holds up a worker.

#include <cstddef>
#include <string_view>

namespace sluice {

class Sink {
 public:
  virtual ~Sink() = default;

  // Takes a block of whole lines and returns how many of its bytes are kept: all of them, or fewer
  // when the destination failed. What is kept always ends with a whole line; the rest is lost.
  virtual std::size_t write(std::string_view lines) = 0;
};

}  // namespace sluice
