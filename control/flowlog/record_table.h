#pragma once

// The records of one interval of one flow log, found by what makes a flow: interface, direction,
// action and the 5-tuple as it is logged (FL-10, FL-14, FL-20, FL-24).
//
// Records lie side by side in the order they came; an open-addressed index of numbers finds them.
// The hash is keyed, so that nobody outside can choose flows that collide. Memory grows by
// doubling and is kept by clear(), so that a table is used again for later intervals. One thread.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/flow_hash.h"
#include "control/flowlog/record.h"

namespace sluice {

class RecordTable {
 public:
  // `by_packet`: the packet's own addresses tell flows apart instead of the logged ones, because
  // the format shows them.
  RecordTable(const HashKey& key, bool by_packet) : key_(key), by_packet_(by_packet) {}

  // The record of the same flow as `like`, or null.
  LogRecord* find(const LogRecord& like);
  // Adds a record that find() does not know. Valid until the next add().
  LogRecord& add(const LogRecord& record);

  std::size_t size() const { return records_.size(); }
  std::vector<LogRecord>& records() { return records_; }
  const std::vector<LogRecord>& records() const { return records_; }
  // Forgets the records, keeps the memory, and takes on the habits of another log.
  void clear(bool by_packet);

 private:
  std::uint64_t hash_of(const LogRecord& record) const;
  bool is_same_flow(const LogRecord& a, const LogRecord& b) const;
  void grow();
  void put(std::uint32_t number);

  HashKey key_;
  bool by_packet_;
  std::vector<LogRecord> records_;
  std::vector<std::uint32_t> index_;  // 0: free, else number of the record + 1
};

// The order of lines in a file: end, start, interface (by name, then by number), then the 5-tuple,
// direction, action; gaps before flows. `name_of(EniIndex)` gives something comparable.
template <class NameOf>
bool comes_before(const LogRecord& a, const LogRecord& b, NameOf&& name_of) {
  if (a.end_s != b.end_s) return a.end_s < b.end_s;
  if (a.start_s != b.start_s) return a.start_s < b.start_s;
  if (a.eni != b.eni) return name_of(a.eni) < name_of(b.eni);
  if (a.status != b.status) return a.status > b.status;
  if (a.source != b.source) return a.source < b.source;
  if (a.destination != b.destination) return a.destination < b.destination;
  if (a.source_port != b.source_port) return a.source_port < b.source_port;
  if (a.destination_port != b.destination_port) return a.destination_port < b.destination_port;
  if (a.proto != b.proto) return a.proto < b.proto;
  if (a.direction != b.direction) return a.direction < b.direction;
  if (a.action != b.action) return a.action < b.action;
  if (a.packet_source != b.packet_source) return a.packet_source < b.packet_source;
  return a.packet_destination < b.packet_destination;
}

}  // namespace sluice
