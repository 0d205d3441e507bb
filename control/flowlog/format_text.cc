#include "control/flowlog/format_text.h"

#include <arpa/inet.h>

#include <charconv>

#include "lookup/rule_condition.h"

namespace sluice {

namespace {

void append_number(std::string& out, std::uint64_t value) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, value);
  out.append(digits, end.ptr);
}

void append_address(std::string& out, const IpAddr& address) {
  if (address.is_v4()) {
    for (int shift = 24; shift >= 0; shift -= 8) {
      append_number(out, (address.v4_value() >> shift) & 0xff);
      if (shift != 0) out += '.';
    }
    return;
  }
  std::uint8_t wire[16];
  address.to_wire16(wire);
  char text[INET6_ADDRSTRLEN];
  out += inet_ntop(AF_INET6, wire, text, sizeof text);
}

// Appends a name, `-` for an empty one.
void append_name(std::string& out, std::string_view name) {
  out += name.empty() ? std::string_view("-") : name;
}

void append_group(std::string& out, RuleIndex rule, const Registry& registry) {
  out += rule.is_none() ? "-" : registry.groups.name_of(registry.rule_groups.of(rule));
}

// The fields that say whose record it is; true if `field` is one of them.
bool append_owner(std::string& out, RecordField field, const LoggedInterface& interface) {
  if (field == RecordField::AccountId)
    append_name(out, interface.account);
  else if (field == RecordField::InterfaceId)
    append_name(out, interface.name);
  else if (field == RecordField::VpcId)
    append_name(out, interface.vpc);
  else if (field == RecordField::SubnetId)
    append_name(out, interface.subnet);
  else if (field == RecordField::InstanceId)
    append_name(out, interface.instance);
  else
    return false;
  return true;
}

void append_field(std::string& out, RecordField field, const RecordFormat& format,
                  const LogRecord& record) {
  switch (field) {
    case RecordField::Version:
      return append_number(out, format.version);
    case RecordField::SrcAddr:
      return append_address(out, record.source);
    case RecordField::DstAddr:
      return append_address(out, record.destination);
    case RecordField::PktSrcAddr:
      return append_address(out, record.packet_source);
    case RecordField::PktDstAddr:
      return append_address(out, record.packet_destination);
    case RecordField::SrcPort:
      return append_number(out, record.source_port);
    case RecordField::DstPort:
      return append_number(out, record.destination_port);
    case RecordField::Protocol:
      return append_number(out, static_cast<unsigned>(record.proto));
    case RecordField::Packets:
      return append_number(out, record.packets);
    case RecordField::Bytes:
      return append_number(out, record.bytes);
    case RecordField::Start:
      return append_number(out, record.start_s);
    case RecordField::End:
      return append_number(out, record.end_s);
    case RecordField::TcpFlags:
      return append_number(out, record.tcp_flags);
    case RecordField::GenerationNumber:
      return append_number(out, record.generation.value());
    case RecordField::Action:
      out += record.action == Verdict::Accept ? "ACCEPT" : "REJECT";
      return;
    case RecordField::LogStatus:
      out += name_of(record.status);
      return;
    case RecordField::Type:
      out += record.packet_source.is_v4() ? "IPv4" : "IPv6";
      return;
    case RecordField::FlowDirection:
      out += name_of(record.direction);
      return;
    case RecordField::DropReasonWord:
      out += record.reason == DropReason::None ? "-" : name_of(record.reason);
      return;
    case RecordField::App:
      out += record.app == 0 ? "-" : app_word(App{record.app});
      return;
    case RecordField::AccountId:
    case RecordField::InterfaceId:
    case RecordField::VpcId:
    case RecordField::SubnetId:
    case RecordField::InstanceId:
    case RecordField::RuleId:
    case RecordField::GroupId:
      break;
  }
  CHECK(false);  // written by the caller, who knows names
}

}  // namespace

void append_log_line(std::string& out, const RecordFormat& format, const LogRecord& record,
                     const LogPlan& plan, const Registry& registry) {
  static const LoggedInterface kNobody;
  const LoggedInterface* known = plan.find(record.eni);
  const LoggedInterface& interface = known == nullptr ? kNobody : *known;
  bool is_first = true;
  for (const RecordField field : format.fields) {
    if (!is_first) out += ' ';
    is_first = false;
    if (record.status != LogStatus::Ok && !row_of(field).in_gaps) {
      out += '-';
    } else if (field == RecordField::RuleId) {
      out += registry.rules.name_of(record.rule);
    } else if (field == RecordField::GroupId) {
      append_group(out, record.rule, registry);
    } else if (!append_owner(out, field, interface)) {
      append_field(out, field, format, record);
    }
  }
  out += '\n';
}

void append_log_header(std::string& out, const RecordFormat& format) {
  for (std::size_t i = 0; i < format.fields.size(); ++i) {
    if (i != 0) out += ' ';
    out += row_of(format.fields[i]).name;
  }
  out += '\n';
}

}  // namespace sluice
