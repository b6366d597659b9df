/** Set in the environment of a process that is to serve as helper; its value does not matter. containers-storage.md §6.2. */
export const HELPER_VARIABLE = "__CSTORAGE_USERNS_HELPER";
