# What `cmake --install --component runtime` puts down: the header, libhasten.so
# and libhasten.a, find_package(hasten) (targets hasten::hasten and
# hasten::hasten_static) and a pkg-config file.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(FILES include/hasten.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT runtime)
install(TARGETS hasten_shared hasten_static EXPORT hastenTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime)
install(EXPORT hastenTargets NAMESPACE hasten:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/hasten COMPONENT runtime)

configure_package_config_file(hastenConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/hastenConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/hasten)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/hastenConfigVersion.cmake COMPATIBILITY SameMinorVersion)
file(RELATIVE_PATH HASTEN_PC_PREFIX /p/${CMAKE_INSTALL_LIBDIR}/pkgconfig /p)
configure_file(hasten.pc.in ${CMAKE_CURRENT_BINARY_DIR}/hasten.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/hastenConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/hastenConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/hasten COMPONENT runtime)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/hasten.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT runtime)
