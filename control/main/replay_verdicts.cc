#include "control/main/replay_verdicts.h"

#include <cinttypes>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "control/main/replay_io.h"
#include "lookup/rule_condition.h"

namespace sluice {

namespace {

constexpr std::array kInOrder = {Direction::Egress, Direction::Ingress};

// Egress is asked first: the end at which a packet was refused is the last that was.
const EndResult* last_end(const Burst& burst, std::size_t i) {
  const EndResult* last = nullptr;
  for (const Direction direction : kInOrder) {
    const EndResult& end = burst.packets[i].ends[static_cast<std::size_t>(direction)];
    if (end.present && end.verdict != Verdict::None) last = &end;
  }
  return last;
}

std::string_view reason_of(const Burst& burst, std::size_t i) {
  switch (burst.verdict_of(i)) {
    case Verdict::Drop:
      return name_of(burst.packets[i].reason);
    case Verdict::None:
      // SG-62: whose address it is about makes no difference.
      if (burst.facts[i].has(PacketFacts::kNeighbor)) return "none";
      return name_of(burst.facts[i].is_ip() ? DropReason::UnknownAddress : DropReason::NotIp);
    case Verdict::Accept:
      break;
  }
  const EndResult* end = last_end(burst, i);
  return end == nullptr ? "none" : name_of(end->by);
}

// A word of our own tables: nothing in it needs escaping.
void append_word(std::string& out, std::string_view word) {
  out += '"';
  out += word;
  out += '"';
}

// A name of the policy.
void append_text(std::string& out, std::string_view text) {
  out += nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void append_time(std::string& out, UnixNanos time_ns) {
  char text[40];
  const std::uint64_t fraction_ns = time_ns % kNanosPerSecond;
  if (fraction_ns % 1000 == 0) {
    std::snprintf(text, sizeof text, "%" PRIu64 ".%06" PRIu64, time_ns / kNanosPerSecond,
                  fraction_ns / 1000);
  } else {
    std::snprintf(text, sizeof text, "%" PRIu64 ".%09" PRIu64, time_ns / kNanosPerSecond,
                  fraction_ns);
  }
  out += text;
}

void append_facts(std::string& out, const FlowFacts& facts, const Registry& registry) {
  if (!facts.name().empty()) {
    out += ",\"domain\":";
    append_word(out, facts.name());
  }
  if (!facts.ja4().empty()) {
    out += ",\"ja4\":";
    append_text(out, facts.ja4());
  }
  if (facts.signature() != FlowFacts::kNoSignature) {
    out += ",\"signature\":";
    append_text(out, registry.signature_name(facts.signature()));
  }
}

}  // namespace

void VerdictWriter::append_check(std::string& out, const EndResult& end, Direction direction,
                                 const std::optional<FlowFacts>& facts) const {
  out += "{\"interface\":";
  append_text(out, registry_.interfaces.name_of(end.eni));
  out += ",\"direction\":";
  append_word(out, name_of(direction));
  out += ",\"verdict\":";
  append_word(out, name_of(end.verdict));
  out += ",\"by\":";
  append_word(out, name_of(end.by));
  out += ",\"rule\":";
  if (end.rule.is_none()) {
    out += "null";
  } else {
    append_text(out, registry_.rules.name_of(end.rule));
  }
  if (end.app != 0) {
    out += ",\"app\":";
    append_word(out, app_word(App{end.app}));
  }
  if (facts) append_facts(out, *facts, registry_);
  out += '}';
}

std::string VerdictWriter::verdict_line(const Burst& burst, std::size_t i) const {
  std::string line = "{\"packet\":" + std::to_string(burst.frames[i].tag) + ",\"time\":";
  append_time(line, ReplayIo::packet_of(burst.frames[i]).time_ns);
  line += ",\"verdict\":";
  append_word(line, name_of(burst.verdict_of(i)));
  line += ",\"reason\":";
  append_word(line, reason_of(burst, i));
  line += ",\"checks\":[";
  bool is_first = true;
  for (const Direction direction : kInOrder) {
    const auto at = static_cast<std::size_t>(direction);
    const EndResult& end = burst.packets[i].ends[at];
    if (!end.present || end.verdict == Verdict::None) continue;
    if (!std::exchange(is_first, false)) line += ',';
    append_check(line, end, direction, facts_[i][at]);
  }
  line += "]}\n";
  return line;
}

void VerdictWriter::known(const Burst& burst, std::size_t i, const FlowFacts& facts) {
  if (out_ != nullptr) facts_[i][static_cast<std::size_t>(burst.direction)] = facts;
}

void VerdictWriter::finished(const Burst& burst) {
  for (std::size_t i = 0; i < burst.count; ++i) {
    if (!burst.is_finished(i) || burst.frames[i].tag == 0) continue;
    const Verdict verdict = burst.verdict_of(i);
    ++counts_.verdicts[static_cast<std::size_t>(verdict)];
    if (verdict == Verdict::Drop) {
      ++counts_.drops[static_cast<std::size_t>(burst.packets[i].reason)];
    }
    tell(burst.frames[i].tag, out_ == nullptr ? std::string() : verdict_line(burst, i));
  }
  for (FactsOfEnds& ends : facts_) {
    for (std::optional<FlowFacts>& facts : ends) facts.reset();
  }
}

void VerdictWriter::tell(std::uint64_t number, std::string line) {
  // A second verdict for one packet would be a bug of the pipeline.
  CHECK(number >= next_packet_ && waiting_.emplace(number, std::move(line)).second);
  while (!waiting_.empty() && waiting_.begin()->first == next_packet_) {
    if (out_ != nullptr) std::fputs(waiting_.begin()->second.c_str(), out_);
    waiting_.erase(waiting_.begin());
    ++next_packet_;
  }
}

}  // namespace sluice
