/** Where the build put the licence texts. */
declare const __LICENCES__: string;
