// What first bytes are identified as.

#include "lookup/l7_identify.h"

#include <gtest/gtest.h>

#include "tests/lookup/l7_fixture.h"

namespace sluice {
namespace {

TEST(Identify, TakesBothSidesToTellWhatOneLeavesOpen) {
  L7Fixture l7;
  const L7Answer banner = l7.ask(L7Transport::Tcp, L7Side::Responder, bytes_of("220 ready\r\n"));
  EXPECT_EQ(banner.app, App::Unknown);
  EXPECT_FALSE(banner.is_final);
  EXPECT_EQ(banner.candidates, AppSet::of(App::Smtp) | AppSet::of(App::Ftp));
  const L7Answer user = l7.ask(L7Transport::Tcp, L7Side::Initiator, bytes_of("USER joe\r\n"), true,
                               banner.candidates);
  EXPECT_EQ(user.app, App::Ftp);
  EXPECT_TRUE(user.is_final);
}

TEST(AppNames, GoBothWays) {
  for (std::size_t value = 1; value < kApps; ++value) {
    const App app = static_cast<App>(value);
    EXPECT_EQ(app_of(name_of(app)), app);
  }
  EXPECT_EQ(app_of("unknown"), std::nullopt);
  EXPECT_EQ(app_of("SSH"), std::nullopt);
  EXPECT_EQ(AppSet::all().bits(), 0xf'ffff'fffeu);
}

}  // namespace
}  // namespace sluice
