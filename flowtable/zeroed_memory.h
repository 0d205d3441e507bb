#pragma once

// A block of zeroed memory straight from the system, as large as its limit says, taken once. Pages
// nobody has touched cost nothing, so a table for a family that never comes is free.

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace sluice {

class ZeroedMemory {
 public:
  // Ends the process where the system has no such amount of address space. `touch` takes every
  // page now, so that no packet waits for the system later. Aligned for transparent huge pages.
  ZeroedMemory(std::size_t size, bool touch);
  ~ZeroedMemory();
  ZeroedMemory(const ZeroedMemory&) = delete;
  ZeroedMemory& operator=(const ZeroedMemory&) = delete;

  std::size_t size() const { return size_; }
  // The block as an array of T. Requires that all-zero bytes are a T.
  template <class T>
  T* as() const {
    static_assert(std::is_trivial_v<T>);
    return static_cast<T*>(begin_);
  }

 private:
  void* mapping_;
  std::size_t mapping_size_;
  void* begin_;
  std::size_t size_;
};

}  // namespace sluice
