#include "flowtable/zeroed_memory.h"

#include <sys/mman.h>

#include "base/check.h"

namespace sluice {

namespace {
constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kPage = 4096;
}  // namespace

ZeroedMemory::ZeroedMemory(std::size_t size, bool touch) : size_(size) {
  const std::size_t alignment = size >= kHugePage ? kHugePage : kPage;
  mapping_size_ = size + alignment;
  mapping_ = mmap(nullptr, mapping_size_, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  CHECK(mapping_ != MAP_FAILED);
  const auto address = reinterpret_cast<std::uintptr_t>(mapping_);
  const std::uintptr_t aligned = (address + alignment - 1) / alignment * alignment;
  begin_ = static_cast<char*>(mapping_) + (aligned - address);
  // A hint only: a system without transparent huge pages answers with an error that costs nothing.
  if (alignment == kHugePage) static_cast<void>(madvise(begin_, size_, MADV_HUGEPAGE));
  if (!touch) return;
  auto* bytes = static_cast<volatile char*>(begin_);
  for (std::size_t i = 0; i < size_; i += kPage) bytes[i] = 0;
}

ZeroedMemory::~ZeroedMemory() { munmap(mapping_, mapping_size_); }

}  // namespace sluice
