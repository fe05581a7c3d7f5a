/**
 * What stands behind {@code org.crac} for functions with SnapStart: that library looks for an implementation by reflection,
 * in the package that the system property {@code org.crac.Core.Compat} names. The names in here are the ones it looks for.
 */
package updraft.crac;
