#include "control/flowlog/record_table.h"

#include <algorithm>

#include "base/check.h"

namespace sluice {

namespace {

constexpr std::size_t kIndexSizeMin = 64;

}  // namespace

std::uint64_t RecordTable::hash_of(const LogRecord& record) const {
  const IpAddr& source = by_packet_ ? record.packet_source : record.source;
  const IpAddr& destination = by_packet_ ? record.packet_destination : record.destination;
  SipState<std::uint64_t> state(key_);
  state.absorb(std::uint64_t{record.eni.value()} << 32 | std::uint64_t{record.source_port} << 16 |
               record.destination_port);
  state.absorb(static_cast<std::uint64_t>(record.proto) << 16 |
               static_cast<std::uint64_t>(record.direction) << 8 |
               static_cast<std::uint64_t>(record.action));
  if (source.is_v4()) {
    state.absorb(source.low() << 32 | destination.low());
  } else {
    state.absorb(source.high());
    state.absorb(source.low());
    state.absorb(destination.high());
    state.absorb(destination.low());
  }
  std::uint64_t hash = 0;
  state.finish(hash);
  return hash;
}

bool RecordTable::is_same_flow(const LogRecord& a, const LogRecord& b) const {
  if (a.eni != b.eni || a.direction != b.direction || a.action != b.action || a.proto != b.proto ||
      a.source_port != b.source_port || a.destination_port != b.destination_port) {
    return false;
  }
  if (by_packet_) {
    return a.packet_source == b.packet_source && a.packet_destination == b.packet_destination;
  }
  return a.source == b.source && a.destination == b.destination;
}

LogRecord* RecordTable::find(const LogRecord& like) {
  if (index_.empty()) return nullptr;
  const std::size_t mask = index_.size() - 1;
  for (std::size_t at = hash_of(like) & mask; index_[at] != 0; at = (at + 1) & mask) {
    LogRecord& record = records_[index_[at] - 1];
    if (is_same_flow(record, like)) return &record;
  }
  return nullptr;
}

LogRecord& RecordTable::add(const LogRecord& record) {
  // At most half full, so that runs of taken slots stay short.
  if (2 * (records_.size() + 1) > index_.size()) grow();
  records_.push_back(record);
  put(static_cast<std::uint32_t>(records_.size() - 1));
  return records_.back();
}

void RecordTable::clear(bool by_packet) {
  records_.clear();
  std::fill(index_.begin(), index_.end(), 0u);
  by_packet_ = by_packet;
}

void RecordTable::grow() {
  index_.assign(std::max(kIndexSizeMin, 2 * index_.size()), 0u);
  for (std::size_t i = 0; i < records_.size(); ++i) put(static_cast<std::uint32_t>(i));
}

void RecordTable::put(std::uint32_t number) {
  const std::size_t mask = index_.size() - 1;
  std::size_t at = hash_of(records_[number]) & mask;
  while (index_[at] != 0) at = (at + 1) & mask;
  index_[at] = number + 1;
}

}  // namespace sluice
