#pragma once

// The table of flow log fields, and what a `format` string becomes.
//
// A field is one row: its word in `${...}`, and the version that brought it (FL-3: a record's
// version is the highest of its fields; our own fields count as version 2). Fields of later
// versions that nothing here can know (services, ECS, paths) are not in the table: a format that
// names one is refused rather than filled with dashes.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sluice {

enum class RecordField : std::uint8_t {
  Version,
  AccountId,
  InterfaceId,
  SrcAddr,
  DstAddr,
  SrcPort,
  DstPort,
  Protocol,
  Packets,
  Bytes,
  Start,
  End,
  Action,
  LogStatus,
  VpcId,
  SubnetId,
  InstanceId,
  TcpFlags,
  Type,
  PktSrcAddr,
  PktDstAddr,
  FlowDirection,
  // Our own.
  RuleId,
  GroupId,
  GenerationNumber,
  DropReasonWord,
  App,  // `-`: not known
};

struct RecordFieldRow {
  RecordField field;
  std::string_view name;
  std::uint8_t version;  // of AWS's record that brought it; 2 for our own
  bool in_gaps;          // also written in NODATA and SKIPDATA records (FL-13)
};

// In the order of the enum, which is asserted below.
inline constexpr std::array kRecordFields = std::to_array<RecordFieldRow>({
    {RecordField::Version, "version", 2, true},
    {RecordField::AccountId, "account-id", 2, true},
    {RecordField::InterfaceId, "interface-id", 2, true},
    {RecordField::SrcAddr, "srcaddr", 2, false},
    {RecordField::DstAddr, "dstaddr", 2, false},
    {RecordField::SrcPort, "srcport", 2, false},
    {RecordField::DstPort, "dstport", 2, false},
    {RecordField::Protocol, "protocol", 2, false},
    {RecordField::Packets, "packets", 2, false},
    {RecordField::Bytes, "bytes", 2, false},
    {RecordField::Start, "start", 2, true},
    {RecordField::End, "end", 2, true},
    {RecordField::Action, "action", 2, false},
    {RecordField::LogStatus, "log-status", 2, true},
    {RecordField::VpcId, "vpc-id", 3, true},
    {RecordField::SubnetId, "subnet-id", 3, true},
    {RecordField::InstanceId, "instance-id", 3, true},
    {RecordField::TcpFlags, "tcp-flags", 3, false},
    {RecordField::Type, "type", 3, false},
    {RecordField::PktSrcAddr, "pkt-srcaddr", 3, false},
    {RecordField::PktDstAddr, "pkt-dstaddr", 3, false},
    {RecordField::FlowDirection, "flow-direction", 5, false},
    {RecordField::RuleId, "rule-id", 2, false},
    {RecordField::GroupId, "group-id", 2, false},
    {RecordField::GenerationNumber, "generation", 2, false},
    {RecordField::DropReasonWord, "drop-reason", 2, false},
    {RecordField::App, "app", 2, false},
});

consteval bool record_fields_are_in_order() {
  for (std::size_t i = 0; i < kRecordFields.size(); ++i) {
    if (static_cast<std::size_t>(kRecordFields[i].field) != i) return false;
  }
  return static_cast<std::size_t>(RecordField::App) + 1 == kRecordFields.size();
}
static_assert(record_fields_are_in_order());

constexpr const RecordFieldRow& row_of(RecordField field) {
  return kRecordFields[static_cast<std::size_t>(field)];
}

// The field of that word, none if there is none.
std::optional<RecordField> find_record_field(std::string_view name);

// A format, parsed: the fields of a line, in order.
struct RecordFormat {
  std::vector<RecordField> fields;
  std::uint8_t version = 2;  // FL-3

  bool has(RecordField field) const;
  bool operator==(const RecordFormat&) const = default;
};

// "${version} ${srcaddr} …": fields apart by blanks, at least one. Invalid, with the word that is
// not a field, otherwise. Any thread.
Result<RecordFormat> parse_record_format(std::string_view text);
// The default one (FL-2).
RecordFormat default_record_format();

}  // namespace sluice
